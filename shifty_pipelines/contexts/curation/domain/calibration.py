"""Whether a stated probability is kept: reliability bins and the expected calibration error."""

from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import BoolArray, FloatArray, IntArray

#: Guo et al. (2017) report with 15 bins; other counts give other numbers, so ours stays theirs.
BIN_COUNT = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Decisions whose confidence lies in (low, high]; `low` = 0 includes zero."""

    low: float
    high: float
    count: int
    mean_confidence: float
    accuracy: float


def top_decisions(posterior: FloatArray, truth: IntArray) -> tuple[FloatArray, BoolArray]:
    """Confidence and correctness of the top class per item with a known truth (-1 is unknown)."""
    known = truth >= 0
    share = posterior[known]
    return share.max(axis=1, initial=0.0), share.argmax(axis=1) == truth[known]


def reliability_bins(confidence: FloatArray, correct: BoolArray, *, bins: int = BIN_COUNT) -> list[ReliabilityBin]:
    """Bins of equal width that hold at least one decision, lowest first.

    Source:
        Guo, Pleiss, Sun & Weinberger (2017), "On Calibration of Modern Neural Networks", section 2.
    """
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(number, minlength=bins)
    confidence_sum = np.bincount(number, confidence, bins)
    correct_sum = np.bincount(number, correct, bins)
    return [
        ReliabilityBin(
            low=k / bins,
            high=(k + 1) / bins,
            count=int(count[k]),
            mean_confidence=float(confidence_sum[k] / count[k]),
            accuracy=float(correct_sum[k] / count[k]),
        )
        for k in np.flatnonzero(count).tolist()
    ]


def expected_calibration_error(confidence: FloatArray, correct: BoolArray, *, bins: int = BIN_COUNT) -> float:
    """Mean gap between confidence and accuracy over bins, weighted by their decisions: 0 is calibrated, 1 the worst.

    Source:
        Guo et al. (2017), eq. 3. nan without decisions.
    """
    if len(confidence) == 0:
        return float("nan")
    table = reliability_bins(confidence, correct, bins=bins)
    return sum(b.count * abs(b.accuracy - b.mean_confidence) for b in table) / len(confidence)
