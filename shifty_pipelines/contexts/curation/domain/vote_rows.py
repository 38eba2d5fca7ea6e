"""Rows of plain label files as votes and gold, for aggregation without a platform."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.import_rows import FileRow, name_in
from shifty_pipelines.contexts.curation.domain.row_rejections import Reason, Rejection, RowRefused
from shifty_pipelines.contexts.curation.domain.votes import MIN_LABELS, RawVote, VoteReport, Votes, collect_votes
from shifty_pipelines.kernel.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteColumns:
    """Where a vote's parts stand; without `labeler` the answers are of nobody in particular."""

    item: str
    labeler: str | None
    label: str


@dataclass(slots=True, kw_only=True)
class LabelFile:
    """What a file of labels held.

    Attributes:
        votes: (item, labeler, label) per usable row; a row without labelers gets one of its own.
        rejections: rows that could not be used, and why.
    """

    votes: list[RawVote] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def read_label_file(rows: Iterable[FileRow], columns: VoteColumns) -> LabelFile:
    """Every usable row as a vote; the others as rejections, by row."""
    found = LabelFile()
    for row in rows:
        try:
            found.votes.append(_vote(row, columns))
        except RowRefused as refused:
            found.rejections.append(refused.at(row.number))
    return found


def read_gold_file(rows: Iterable[FileRow], *, item: str, truth: str) -> tuple[dict[str, str], list[Rejection]]:
    """The true label of each gold item, and the rows that could not be used; an item given twice must agree."""
    gold: dict[str, str] = {}
    rejections = []
    for row in rows:
        try:
            name, label = name_in(row, item), name_in(row, truth)
            _require_same(gold.setdefault(name, label), label, truth)
        except RowRefused as refused:
            rejections.append(refused.at(row.number))
    return gold, rejections


def votes_and_truths(raw: Iterable[RawVote], gold: dict[str, str]) -> tuple[Votes, VoteReport, IntArray]:
    """Votes over all labels that the files name, in order of name; and the truth per item, -1 where it is not gold.

    Raises:
        InvalidValue: the files name fewer than two labels, or too many.
    """
    raw = list(raw)
    labels = sorted({label for _, _, label in raw} | set(gold.values()))
    if len(labels) < MIN_LABELS:
        raise InvalidValue("labels", labels, "at least two different labels: with one there is nothing to decide")
    votes, report = collect_votes(raw, labels)
    number_of = {label: number for number, label in enumerate(labels)}
    truths = np.array([number_of[gold[item]] if item in gold else -1 for item in votes.items], dtype=np.int64)
    return votes, report, truths


def decided_labels(votes: Votes, posterior: np.ndarray) -> Iterator[tuple[str, str, float]]:
    """Item, most probable label and its posterior, in order of item; a tie goes to the label that is named first."""
    best = posterior.argmax(axis=1)
    for number, item in enumerate(votes.items):
        yield item, votes.labels[best[number]], float(posterior[number, best[number]])


def _require_same(first: str, label: str, column: str) -> None:
    if first != label:
        raise RowRefused(Reason.CONTRADICTING_LABEL, column, label, "give each gold item one true label")


def _vote(row: FileRow, columns: VoteColumns) -> RawVote:
    item, label = name_in(row, columns.item), name_in(row, columns.label)
    # Of nobody in particular: every row is a voice of its own, and an equal one is no duplicate.
    labeler = f"row {row.number}" if columns.labeler is None else name_in(row, columns.labeler)
    return item, labeler, label
