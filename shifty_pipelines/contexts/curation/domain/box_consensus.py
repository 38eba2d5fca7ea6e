"""Boxes that several people drew around something: which of them mean the same, and where it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.consensus import Algorithm

BOX_CONSENSUS = Algorithm(name="box_consensus", version=1)

#: Two boxes mean the same thing from this overlap on: PASCAL VOC's criterion (Everingham et al. 2010, section 4.2).
SAME_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with area, in one unit of length: `left < right`, `top < bottom`."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedBox:
    """Where the largest group says the thing is.

    Attributes:
        box: the median of each side over the group.
        members: numbers of the boxes that make the group, ascending.
        agreement: mean overlap of the group's boxes with `box`, 0 to 1.
    """

    box: Box
    members: tuple[int, ...]
    agreement: float


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one.area + other.area - shared)


def agreed_box(boxes: Sequence[Box], *, quorum: int | None = None) -> AgreedBox | None:
    """Where a thing is, if enough people say so.

    The group is that of the box which most others overlap with; of several such the one whose overlaps are largest,
    then the first. Nobody joins through a neighbour: a chain of boxes that each overlap the next means no one thing.

    Args:
        boxes: one per person.
        quorum: how many must mean the same; None is more than half of them.

    Returns:
        None where no group is that large: a person has to look.

    Cost: O(people squared), and people per item are few.
    """
    needed = len(boxes) // 2 + 1 if quorum is None else quorum
    table = np.array([[overlap(one, other) for other in boxes] for one in boxes]).reshape(len(boxes), len(boxes))
    meant = table >= SAME_OVERLAP
    sizes = meant.sum(axis=1)
    if not len(boxes) or sizes.max() < needed:
        return None
    centre = max(range(len(boxes)), key=lambda number: (sizes[number], table[number][meant[number]].sum(), -number))
    members = tuple(int(number) for number in np.flatnonzero(meant[centre]))
    sides = np.median([(b.left, b.top, b.right, b.bottom) for b in (boxes[number] for number in members)], axis=0)
    box = Box(left=float(sides[0]), top=float(sides[1]), right=float(sides[2]), bottom=float(sides[3]))
    agreement = float(np.mean([overlap(boxes[number], box) for number in members]))
    return AgreedBox(box=box, members=members, agreement=agreement)
