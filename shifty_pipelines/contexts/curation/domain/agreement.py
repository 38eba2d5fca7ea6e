"""Krippendorff's alpha: how far labelers agree beyond chance, missing votes allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray

#: One vote pairs with nothing.
FEWEST_VOTES = 2

#: Cells of one block of resamples; bounds the memory of `agreement_interval` to some tens of megabytes.
BLOCK_CELLS = 2_000_000


class Metric(StrEnum):
    """How different two labels are."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementInterval:
    """Alpha with a percentile bootstrap interval over items.

    Attributes:
        defined_resamples: resamples with an alpha; fewer than asked for when some drew items of one label only.
    """

    alpha: float
    low: float
    high: float
    confidence: float
    defined_resamples: int


def krippendorff_alpha(
    counts: IntArray, *, metric: Metric = Metric.NOMINAL, values: Sequence[float] | None = None
) -> float | None:
    """1 - observed / expected disagreement: 1 is perfect, 0 is chance, below 0 is systematic disagreement.

    Args:
        counts: `(n_items, n_classes)` votes per item and class (`Votes.label_counts`); items with fewer than two votes
            pair with nothing and leave.
        metric: ordinal reads the classes in column order.
        values: for `Metric.INTERVAL`, the number each class stands for; 0, 1, 2 ... by default.

    Returns:
        None where alpha is undefined: no item with two votes, or a single label in use (no disagreement could be seen).

    Source:
        Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D and its difference functions.
    """
    pairable, once = _pairable_rows(counts)
    alpha = float(_alphas(pairable, once[None, :].astype(np.float64), metric, values)[0])
    return None if np.isnan(alpha) else alpha


def agreement_interval(
    counts: IntArray,
    *,
    rng: np.random.Generator,
    metric: Metric = Metric.NOMINAL,
    values: Sequence[float] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> AgreementInterval | None:
    """Alpha with the interval that resampling items with replacement gives; None where alpha is undefined.

    Items with the same counts are exchangeable, so a resample is one multinomial draw over distinct rows: the cost
    hangs on the distinct rows, not on the items.

    Source:
        Percentile bootstrap over units, Zapf et al. (2016), BMC Medical Research Methodology 16:93, section 2.3.
    """
    alpha = krippendorff_alpha(counts, metric=metric, values=values)
    if alpha is None:
        return None
    rows, multiplicity = _pairable_rows(counts)
    n_items = int(multiplicity.sum())
    block = max(1, BLOCK_CELLS // len(rows))
    drawn = [
        _alphas(rows, rng.multinomial(n_items, multiplicity / n_items, size).astype(np.float64), metric, values)
        for size in _block_sizes(resamples, block)
    ]
    alphas = np.concatenate(drawn)
    defined = alphas[~np.isnan(alphas)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (np.nan, np.nan)
    return AgreementInterval(
        alpha=alpha, low=float(low), high=float(high), confidence=confidence, defined_resamples=len(defined)
    )


def _pairable_rows(counts: IntArray) -> tuple[FloatArray, IntArray]:
    """Distinct rows with at least two votes, and how many items have each."""
    rows, multiplicity = np.unique(counts[counts.sum(axis=1) >= FEWEST_VOTES], axis=0, return_counts=True)
    return rows.astype(np.float64), multiplicity


def _alphas(rows: FloatArray, multiplicity: FloatArray, metric: Metric, values: Sequence[float] | None) -> FloatArray:
    """Alpha per row of `multiplicity` `(n_samples, n_rows)`; nan where undefined."""
    n_classes = rows.shape[1]
    others = rows[:, :, None] * (rows[:, None, :] - np.eye(n_classes))
    per_row = others / (rows.sum(axis=1) - 1)[:, None, None]
    observed = (multiplicity @ per_row.reshape(len(rows), n_classes**2)).reshape(-1, n_classes, n_classes)
    totals = observed.sum(axis=2)
    distance = _squared_distances(totals, metric, values)
    expected = totals[:, :, None] * totals[:, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (observed * distance).sum(axis=(1, 2)) / (expected * distance).sum(axis=(1, 2))
        alphas: FloatArray = 1 - (totals.sum(axis=1) - 1) * ratio
    return alphas


def _squared_distances(totals: FloatArray, metric: Metric, values: Sequence[float] | None) -> FloatArray:
    """`(n_samples or 1, n_classes, n_classes)`; for ordinals the ranks, and so the distances, hang on the sample."""
    n_classes = totals.shape[1]
    match metric:
        case Metric.NOMINAL:
            return 1.0 - np.eye(n_classes)[None, :, :]
        case Metric.INTERVAL:
            place = np.asarray(range(n_classes) if values is None else values, dtype=np.float64)[None, :]
        case Metric.ORDINAL:
            # The sum of n_g from c to k less half of n_c and n_k is the distance of their mid-ranks.
            place = np.cumsum(totals, axis=1) - totals / 2
        case _:
            assert_never(metric)
    distance: FloatArray = (place[:, :, None] - place[:, None, :]) ** 2
    return distance


def _block_sizes(total: int, block: int) -> list[int]:
    return [min(block, total - start) for start in range(0, total, block)]
