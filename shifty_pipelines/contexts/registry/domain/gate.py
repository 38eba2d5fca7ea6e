"""The gate: may a new version replace the one that serves? Decided on paired answers to the same test rows. Pure.

A rule on the lower end alone would refuse nine of ten equal models at 60 test rows (measured by simulation;
tests/contexts/registry/test_gate.py).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from shifty_pipelines.contexts.registry.domain.scores import label_counts, macro_f1

CONFIDENCE = 0.90
#: A version may look this much worse at the lower end and still pass.
TOLERANCE = 0.02
MAX_RECALL_LOSS = 0.10
#: Recall of a label is compared only from this many true test rows on.
FEWEST_ROWS_OF_LABEL = 30
RESAMPLES = 2000
SEED = 20260101


class Verdict(StrEnum):
    """What the gate says; `inconclusive` is promoted only by a person who gives a reason."""

    PASSED = "passed"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"


class Opponent(StrEnum):
    """What a candidate is measured against."""

    INCUMBENT = "incumbent"
    MAJORITY = "majority"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAnswers:
    """Two models' answers to the same rows, as label numbers ``(rows,)`` of one label set."""

    truth_ids: np.ndarray
    candidate: np.ndarray
    opponent: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallLoss:
    """A label whose recall fell by more than allowed."""

    label: str
    rows: int
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The verdict with what it rests on; `low` and `high` are the ends of the 90 % interval of the difference."""

    verdict: Verdict
    against: Opponent
    rows: int
    difference: float
    low: float
    high: float
    recall_losses: tuple[RecallLoss, ...]

    def as_details(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "against": self.against.value,
            "rows": self.rows,
            "macroF1Difference": self.difference,
            "interval90": [self.low, self.high],
            "recallLosses": [
                {"label": loss.label, "rows": loss.rows, "before": loss.before, "after": loss.after}
                for loss in self.recall_losses
            ],
        }


def judge(answers: PairedAnswers, *, against: Opponent) -> GateReport:
    """The verdict on `candidate`.

    Refused: the interval of candidate - opponent macro F1 lies below 0, or, against an incumbent, a label with at least
    30 test rows loses more than 0.10 recall. (The majority's answer has recall 1 by being blind to all others, so there
    recall says nothing.) Passed: not refused and the lower end is at least -0.02. Otherwise inconclusive.
    """
    differences = _bootstrap(answers)
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    losses = _recall_losses(answers) if against is Opponent.INCUMBENT else ()
    return GateReport(
        verdict=_verdict(float(low), float(high), has_losses=bool(losses)),
        against=against,
        rows=len(answers.truth_ids),
        difference=float(_difference(answers, None)),
        low=float(low),
        high=float(high),
        recall_losses=losses,
    )


def majority_answers(truth_ids_in_training: np.ndarray, row_count: int) -> np.ndarray:
    """The most frequent training label for every row; of equals the first."""
    return np.full(row_count, np.bincount(truth_ids_in_training).argmax())


def _verdict(low: float, high: float, *, has_losses: bool) -> Verdict:
    if high < 0 or has_losses:
        return Verdict.REFUSED
    return Verdict.PASSED if low >= -TOLERANCE else Verdict.INCONCLUSIVE


def _bootstrap(answers: PairedAnswers) -> np.ndarray:
    """Differences on resamples of the rows, the same rows for both models; ``(RESAMPLES,)``."""
    row_count = len(answers.truth_ids)
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(row_count, np.full(row_count, 1 / row_count), size=RESAMPLES).astype(np.float64)
    return _difference(answers, weights)


def _difference(answers: PairedAnswers, weights: np.ndarray | None) -> np.ndarray:
    candidate, opponent = (
        macro_f1(*label_counts(answers.truth_ids, given, label_count=len(answers.labels), weights=weights))
        for given in (answers.candidate, answers.opponent)
    )
    return np.asarray(candidate - opponent)


def _recall_losses(answers: PairedAnswers) -> tuple[RecallLoss, ...]:
    losses = []
    for number, label in enumerate(answers.labels):
        is_label = answers.truth_ids == number
        rows = int(is_label.sum())
        if rows < FEWEST_ROWS_OF_LABEL:
            continue
        before = float((answers.opponent[is_label] == number).mean())
        after = float((answers.candidate[is_label] == number).mean())
        # Shares of equal rows: a loss of exactly the limit must not fail by rounding.
        if before - after > MAX_RECALL_LOSS + 1e-9:
            losses.append(RecallLoss(label=label, rows=rows, before=before, after=after))
    return tuple(losses)
