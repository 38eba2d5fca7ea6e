"""How good a set of predictions is: accuracy, F1, per label, calibration. Pure: numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CALIBRATION_BINS = 10
# A certain miss costs this many nats instead of infinitely many.
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Precision, recall and F1 of one label; 0 where the denominator is 0. `support` is its true row count."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows whose top probability lies in (`low`, `high`]: how sure the model was, how often it was right."""

    low: float
    high: float
    row_count: int
    mean_confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model on one split. `log_loss` is in nats a row, `calibration_error` is the expected one (0-1)."""

    row_count: int
    accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    by_label: tuple[LabelScore, ...]
    calibration: tuple[CalibrationBin, ...]

    def as_message(self) -> dict[str, Any]:
        """The wire form, camelCase."""
        return {
            "rows": self.row_count,
            "accuracy": self.accuracy,
            "macroF1": self.macro_f1,
            "logLoss": self.log_loss,
            "calibrationError": self.calibration_error,
            "labels": {
                score.label: {
                    "precision": score.precision,
                    "recall": score.recall,
                    "f1": score.f1,
                    "support": score.support,
                }
                for score in self.by_label
            },
            "calibration": [
                {
                    "low": bin_.low,
                    "high": bin_.high,
                    "rows": bin_.row_count,
                    "meanConfidence": bin_.mean_confidence,
                    "accuracy": bin_.accuracy,
                }
                for bin_ in self.calibration
            ],
        }


def evaluate(probabilities: np.ndarray, label_ids: np.ndarray, *, labels: Sequence[str]) -> Evaluation:
    """Score predicted probabilities against the truth.

    Args:
        probabilities: float ``(rows, labels)``; the predicted label is the first largest.
        label_ids: int ``(rows,)``, the truth.
        labels: names in column order.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(label_ids, predicted, label_count=len(labels))
    bins = _calibration_bins(probabilities.max(axis=1), predicted == label_ids)
    of_truth = probabilities[np.arange(len(label_ids)), label_ids]
    return Evaluation(
        row_count=len(label_ids),
        accuracy=float(np.trace(confusion) / confusion.sum()),
        macro_f1=float(macro_f1(confusion)),
        log_loss=float(-np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean()),
        calibration_error=sum(
            bin_.row_count / len(label_ids) * abs(bin_.accuracy - bin_.mean_confidence) for bin_ in bins
        ),
        by_label=_by_label(confusion, labels),
        calibration=bins,
    )


def confusion_matrix(label_ids: np.ndarray, predicted: np.ndarray, *, label_count: int) -> np.ndarray:
    """Row counts ``(label_count, label_count)``: true label down, predicted label across."""
    pairs = label_ids * label_count + predicted
    return np.bincount(pairs, minlength=label_count**2).reshape(label_count, label_count)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1 over labels that are true or predicted somewhere; ``(..., labels, labels)`` to ``(...)``.

    A label of the set that neither occurs nor is predicted has no F1 and does not count (scikit-learn's rule too).
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurrences = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1 = 2 * hits / np.maximum(occurrences, 1)
    return np.asarray(f1.sum(axis=-1) / np.maximum((occurrences > 0).sum(axis=-1), 1))


def _by_label(confusion: np.ndarray, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    hits = np.diag(confusion)
    supports, predictions = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        LabelScore(
            label=label,
            precision=float(hits[number] / max(predictions[number], 1)),
            recall=float(hits[number] / max(supports[number], 1)),
            f1=float(2 * hits[number] / max(supports[number] + predictions[number], 1)),
            support=int(supports[number]),
        )
        for number, label in enumerate(labels)
    )


def _calibration_bins(confidence: np.ndarray, is_right: np.ndarray) -> tuple[CalibrationBin, ...]:
    """Equal-width bins, empty ones left out.

    Source:
        Guo et al. (2017), "On Calibration of Modern Neural Networks", eqs. 2, 3 and 5.
    """
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    number = np.clip(np.digitize(confidence, edges[1:], right=True), 0, CALIBRATION_BINS - 1)
    return tuple(
        CalibrationBin(
            low=float(edges[bin_]),
            high=float(edges[bin_ + 1]),
            row_count=int((number == bin_).sum()),
            mean_confidence=float(confidence[number == bin_].mean()),
            accuracy=float(is_right[number == bin_].mean()),
        )
        for bin_ in np.unique(number)
    )
