"""Train, validation and test splits that never leak and never move.

The law:

1. **Group.** Rows connected by an edge (near duplicates) or by a common source group form one group, transitively,
   also through nodes that are no rows. A group is never in two splits.
2. **First split for ever.** A row with a history keeps its split; new rows join the split of their group.
3. **Bridge.** A group that holds rows of two splits, or rows that left one before, is bridged: its train rows stay,
   its new rows go to train, and its other rows leave their split with reason `bridged`, for ever.
4. **Fresh groups** (no row has a history) are taken from the largest to the smallest, equals in the order of their
   keys; the key is the lowest hash among their source groups, or among their rows where there is no source group,
   under the tenant's salt. The hash of the key is a number in [0, 1), which falls on the splits in
   proportion to what each still lacks of the group's classes. So the hash decides, and quotas keep it fair: with
   single-row groups and no history every class is within two rows of its target in every split.

The plan is a function of (set of rows, set of edges, history, salt, targets): order does not matter. Feeding a plan
back as history and adding rows changes no earlier row, except by rule 3.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from shifty_pipelines.contexts.curation.domain.components import connected_components
from shifty_pipelines.kernel.errors import InvalidValue


class Split(StrEnum):
    """Where a row serves."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Left(StrEnum):
    """Why a row serves nowhere any more."""

    BRIDGED = "bridged"


#: Where a row stands; a plan is a mapping of row ids to standings, and the next plan's history.
Standing = Split | Left

TARGETS: Mapping[Split, float] = MappingProxyType({Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.TEST: 0.1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row to place: its label, and the source it must stay together with (page, error cluster, generated-from)."""

    row_id: str
    label: str
    source_group: str | None = None


def plan_splits(
    rows: Iterable[Row],
    edges: Iterable[tuple[str, str]],
    *,
    history: Mapping[str, Standing],
    salt: bytes,
    targets: Mapping[Split, float] = TARGETS,
) -> Mapping[str, Standing]:
    """The standing of every row by the law above.

    Args:
        rows: every row to stand somewhere.
        edges: pairs of row ids that must not be parted; ids that are no rows still connect.
        history: the standing each row got first; ids that are no rows any more are ignored.
        salt: the tenant's, at most 64 bytes: without it outsiders could tell which text lands in the test split.
        targets: share per split, summing to 1.

    Raises:
        InvalidValue: a row id occurs twice, the targets do not sum to 1, or the salt is empty or too long.
    """
    placed = sorted(rows, key=lambda row: row.row_id)
    _check(placed, salt, targets)
    standing: dict[str, Standing] = {}
    fresh = []
    for group in _groups(placed, edges):
        told = _told_by_history(group, history)
        if told is None:
            fresh.append(group)
        else:
            standing.update(told)
    standing.update(_place_fresh(fresh, _Quota(placed, standing, targets), salt))
    return standing


def _check(rows: Sequence[Row], salt: bytes, targets: Mapping[Split, float]) -> None:
    for before, after in pairwise(rows):
        if before.row_id == after.row_id:
            raise InvalidValue("row_id", after.row_id, "an id that occurs once")
    if not 1 <= len(salt) <= blake2b.MAX_KEY_SIZE:
        raise InvalidValue("salt", f"{len(salt)} bytes", f"1 to {blake2b.MAX_KEY_SIZE} bytes")
    if not math.isclose(sum(targets.values()), 1) or min(targets.values()) < 0:
        raise InvalidValue("targets", dict(targets), "shares that are not negative and sum to 1")


def _groups(rows: Sequence[Row], edges: Iterable[tuple[str, str]]) -> list[list[Row]]:
    """Connected rows, each group sorted by row id."""
    node: dict[tuple[str, str], int] = {}
    pairs = [(node.setdefault(("row", a), len(node)), node.setdefault(("row", b), len(node))) for a, b in edges]
    for row in rows:
        own = node.setdefault(("row", row.row_id), len(node))
        if row.source_group is not None:
            pairs.append((own, node.setdefault(("source", row.source_group), len(node))))
    roots = connected_components(len(node), np.array(pairs, dtype=np.int64).reshape(-1, 2)).tolist()
    members: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        members[roots[node["row", row.row_id]]].append(row)
    return list(members.values())


def _told_by_history(group: Sequence[Row], history: Mapping[str, Standing]) -> Mapping[str, Standing] | None:
    """Standings by rules 2 and 3; None where no row of the group has a history."""
    before = {row.row_id: history[row.row_id] for row in group if row.row_id in history}
    match sorted(set(before.values())):
        case []:
            return None
        case [Split() as only]:
            return {row.row_id: only for row in group}
        case _:
            return {row.row_id: _after_bridging(before.get(row.row_id, Split.TRAIN)) for row in group}


def _after_bridging(standing: Standing) -> Standing:
    return Split.TRAIN if standing is Split.TRAIN else Left.BRIDGED


class _Quota:
    """What each split still lacks of each class, counted over all rows that serve or are about to."""

    def __init__(self, rows: Sequence[Row], standing: Mapping[str, Standing], targets: Mapping[Split, float]) -> None:
        serving = [row for row in rows if not isinstance(standing.get(row.row_id), Left)]
        totals = Counter(row.label for row in serving)
        self.share = {split: targets.get(split, 0.0) for split in Split}
        self.lacking = {split: {label: self.share[split] * n for label, n in totals.items()} for split in Split}
        for row in serving:
            split = standing.get(row.row_id)
            if isinstance(split, Split):
                self.lacking[split][row.label] -= 1

    def draw(self, labels: Mapping[str, int], point: float) -> Split:
        """The split on which `point` in [0, 1) falls, and the group counted into it."""
        weight = {
            split: max(sum(n * lacking[label] for label, n in labels.items()), 0.0)
            for split, lacking in self.lacking.items()
        }
        if sum(weight.values()) <= 0:
            weight = dict(self.share)
        split = _fall(weight, point)
        for label, n in labels.items():
            self.lacking[split][label] -= n
        return split


def _fall(weight: Mapping[Split, float], point: float) -> Split:
    left = point * sum(weight.values())
    open_splits = [split for split in Split if weight[split] > 0]
    for split in open_splits:
        left -= weight[split]
        if left < 0:
            return split
    return open_splits[-1]  # rounding: the sum of the parts fell short of the whole


def _place_fresh(groups: Iterable[Sequence[Row]], quota: _Quota, salt: bytes) -> Mapping[str, Standing]:
    """Rule 4: big groups first, while there is room to balance them."""
    keyed = sorted(((_group_key(group, salt), group) for group in groups), key=lambda pair: (-len(pair[1]), pair[0]))
    standing: dict[str, Standing] = {}
    for key, group in keyed:
        # The lowest of many hashes is a low number: hashed once more, it says nothing about the size of the group.
        point = int.from_bytes(_hash(salt, key), "big") / 2**128
        split = quota.draw(Counter(row.label for row in group), point)
        standing.update((row.row_id, split) for row in group)
    return standing


def _group_key(group: Sequence[Row], salt: bytes) -> bytes:
    sources = {row.source_group for row in group if row.source_group is not None}
    names = [f"source:{source}" for source in sources] or [f"row:{row.row_id}" for row in group]
    return min(_hash(salt, name.encode()) for name in names)


def _hash(salt: bytes, name: bytes) -> bytes:
    return blake2b(name, key=salt, digest_size=16).digest()
