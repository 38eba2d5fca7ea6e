"""How good answers are: accuracy, F1, per label, calibration. Pure: numbers in, numbers out.

The trainer reports figures of its own; a gate trusts only what is computed here from row-by-row answers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

CALIBRATION_BINS = 10
#: Stands for an answer that is none of the labels (an older model with other labels); never right.
NO_LABEL = -1


def scores(probabilities: np.ndarray, truth_ids: np.ndarray, *, labels: Sequence[str]) -> dict[str, Any]:
    """The figures of one model on one split, by the names of the wire.

    Args:
        probabilities: float ``(rows, labels)``; the answer is the first largest.
        truth_ids: int ``(rows,)``.
        labels: names in column order.
    """
    answers = probabilities.argmax(axis=1)
    hits, predictions, supports = label_counts(truth_ids, answers, label_count=len(labels))
    is_right = answers == truth_ids
    return {
        "rows": len(truth_ids),
        "accuracy": float(is_right.mean()),
        "f1Score": float(macro_f1(hits, predictions, supports)),
        "calibrationError": calibration_error(probabilities.max(axis=1), is_right),
        "labels": {
            label: {
                "precision": float(hits[number] / max(predictions[number], 1)),
                "recall": float(hits[number] / max(supports[number], 1)),
                "f1": float(2 * hits[number] / max(supports[number] + predictions[number], 1)),
                "support": int(supports[number]),
            }
            for number, label in enumerate(labels)
        },
    }


def label_counts(
    truth_ids: np.ndarray, answers: np.ndarray, *, label_count: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits, answers and true rows per label, each ``(labels,)``; with `weights` ``(samples, rows)``, a row per sample.

    `NO_LABEL` among the answers counts as an answer of no label.
    """
    numbers = np.arange(label_count)
    is_true = truth_ids[:, None] == numbers
    is_answer = answers[:, None] == numbers
    per_row = (is_true & is_answer, is_answer, is_true)
    if weights is None:
        hits, predictions, supports = (table.sum(axis=0) for table in per_row)
    else:
        hits, predictions, supports = (weights @ table.astype(np.float64) for table in per_row)
    return hits, predictions, supports


def macro_f1(hits: np.ndarray, predictions: np.ndarray, supports: np.ndarray) -> np.ndarray:
    """The mean F1 over labels that are true or answered somewhere; ``(..., labels)`` to ``(...)``.

    A label of the set that neither occurs nor is answered has no F1 and does not count (scikit-learn's rule too).
    """
    occurrences = predictions + supports
    f1 = 2 * hits / np.maximum(occurrences, 1)
    return np.asarray(f1.sum(axis=-1) / np.maximum((occurrences > 0).sum(axis=-1), 1))


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """The expected calibration error in ten equal bins: 0 is honest, 1 is always wrong and always sure.

    Source:
        Guo et al. (2017), "On Calibration of Modern Neural Networks", eq. 5.
    """
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    bins = np.clip(np.digitize(confidence, edges[1:], right=True), 0, CALIBRATION_BINS - 1)
    gaps = [
        (bins == number).sum() * abs(is_right[bins == number].mean() - confidence[bins == number].mean())
        for number in np.unique(bins)
    ]
    return float(sum(gaps) / len(confidence))
