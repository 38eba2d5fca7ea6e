"""Votes as integer columns, built once from raw rows and trusted afterwards.

What belongs here: coding, exact duplicates, contradictions, unknown labels. What does not: deciding who is right.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.kernel.errors import InvalidValue

#: (item id, labeler id, label); ids are opaque.
RawVote = tuple[str, str, str]

#: Label codes are int8: a million votes cost nine bytes each, and no mission shows more than a screenful of labels.
MIN_LABELS, MAX_LABELS = 2, 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Votes:
    """One row per vote, sorted by item, then labeler, then label; every item and every labeler has at least one vote.

    Attributes:
        items: sorted item ids; `item_index` points into it.
        labelers: sorted labeler ids; `labeler_index` points into it.
        labels: the label set, in the order of its template; `label_index` points into it.
        item_index: int32 `(n_votes,)`, non-decreasing.
        labeler_index: int32 `(n_votes,)`.
        label_index: int8 `(n_votes,)`.
    """

    items: tuple[str, ...]
    labelers: tuple[str, ...]
    labels: tuple[str, ...]
    item_index: IntArray
    labeler_index: IntArray
    label_index: IntArray

    @property
    def n_items(self) -> int:
        """Items with at least one vote."""
        return len(self.items)

    @property
    def n_labelers(self) -> int:
        """Labelers with at least one vote."""
        return len(self.labelers)

    @property
    def n_classes(self) -> int:
        """Labels of the set, voted for or not."""
        return len(self.labels)

    def label_counts(self) -> IntArray:
        """Votes per item and class: int64 `(n_items, n_classes)`."""
        cell = self.item_index.astype(np.int64) * self.n_classes + self.label_index
        return np.bincount(cell, minlength=self.n_items * self.n_classes).reshape(self.n_items, self.n_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteReport:
    """What the raw rows held besides clean votes.

    Attributes:
        rows: raw rows read.
        duplicate_rows: rows dropped because the same (item, labeler, label) was there already.
        contradicting_pairs: (item, labeler) pairs with more than one label; all their votes are kept.
        unknown_labels: rows dropped per label outside the label set.
    """

    rows: int
    duplicate_rows: int
    contradicting_pairs: int
    unknown_labels: Mapping[str, int]


def collect_votes(rows: Iterable[RawVote], labels: Sequence[str]) -> tuple[Votes, VoteReport]:
    """Votes in canonical order and a report of what was dropped or contradicts itself.

    The result is the same for every order of `rows`. A contradicting pair is kept whole: it is evidence about the
    labeler, and dropping either half would be a choice by arrival order.

    Raises:
        InvalidValue: the label set is shorter than two, longer than `MAX_LABELS`, or repeats a label.
    """
    label_code = _label_codes(labels)
    known, unknown, n_rows = [], Counter[str](), 0
    for row in rows:
        n_rows += 1
        if row[2] in label_code:
            known.append(row)
        else:
            unknown[row[2]] += 1
    items, labelers = sorted({row[0] for row in known}), sorted({row[1] for row in known})
    item_code, labeler_code = _codes(items), _codes(labelers)
    cells = np.fromiter(
        (
            (item_code[item] * len(labelers) + labeler_code[who]) * len(labels) + label_code[what]
            for item, who, what in known
        ),
        dtype=np.int64,
        count=len(known),
    )
    kept = np.unique(cells)  # sorted: the canonical order
    pairs = kept // len(labels)
    votes = Votes(
        items=tuple(items),
        labelers=tuple(labelers),
        labels=tuple(labels),
        item_index=(pairs // max(len(labelers), 1)).astype(np.int32),
        labeler_index=(pairs % max(len(labelers), 1)).astype(np.int32),
        label_index=(kept % len(labels)).astype(np.int8),
    )
    report = VoteReport(
        rows=n_rows,
        duplicate_rows=len(known) - len(kept),
        contradicting_pairs=int(np.count_nonzero(np.unique(pairs, return_counts=True)[1] > 1)),
        unknown_labels=dict(sorted(unknown.items())),
    )
    return votes, report


def _label_codes(labels: Sequence[str]) -> Mapping[str, int]:
    if not MIN_LABELS <= len(labels) <= MAX_LABELS:
        raise InvalidValue("labels", labels, f"between {MIN_LABELS} and {MAX_LABELS} labels")
    if len(set(labels)) != len(labels):
        raise InvalidValue("labels", labels, "labels that differ from each other")
    return _codes(labels)


def _codes(names: Sequence[str]) -> Mapping[str, int]:
    return {name: code for code, name in enumerate(names)}
