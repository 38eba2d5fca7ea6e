"""Scores of a classifier, and how sure a difference between two of them is."""

from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class; a ratio without cases is 0, as in scikit-learn's `zero_division=0`."""

    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of one classifier on one set of rows.

    Attributes:
        macro_f1: mean F1 over the classes that occur in truth or prediction.
        per_class: one entry per class of the label set, in its order.
    """

    accuracy: float
    macro_f1: float
    per_class: tuple[ClassScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate - incumbent macro F1 with a paired percentile bootstrap interval."""

    difference: float
    low: float
    high: float
    confidence: float
    resamples: int


def score(truth: IntArray, predicted: IntArray, *, n_classes: int) -> Scores:
    """Accuracy, macro F1, and precision, recall and F1 per class; class indices below `n_classes`, at least one row."""
    table = np.bincount(truth.astype(np.int64) * n_classes + predicted, minlength=n_classes**2)
    confusion = table.reshape(n_classes, n_classes).astype(np.float64)
    hits, support, claimed = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall, f1 = _ratio(hits, claimed), _ratio(hits, support), _ratio(2 * hits, support + claimed)
    return Scores(
        accuracy=float(hits.sum() / confusion.sum()),
        macro_f1=float(f1[support + claimed > 0].mean()),
        per_class=tuple(
            ClassScore(support=int(n), precision=float(p), recall=float(r), f1=float(f))
            for n, p, r, f in zip(support, precision, recall, f1, strict=True)
        ),
    )


def macro_f1_difference(
    truth: IntArray,
    candidate: IntArray,
    incumbent: IntArray,
    *,
    rng: np.random.Generator,
    confidence: float = 0.90,
    resamples: int = 2000,
) -> Difference:
    """How much better the candidate is, and how sure that is, both models judged on the same resampled rows.

    A row matters only through its (truth, candidate, incumbent) triple, so a resample with replacement is one
    multinomial draw over the distinct triples. Every resample averages over the classes that occur in the full
    set, a class it missed counting 0 for both; the divisor never moves.

    Source:
        Efron & Tibshirani (1993), section 13.3 (percentile interval), on paired rows.
    """
    triples, count = np.unique(np.stack([truth, candidate, incumbent]), axis=1, return_counts=True)
    classes = np.unique(triples)
    n_rows = int(count.sum())
    draws = rng.multinomial(n_rows, count / n_rows, resamples).astype(np.float64)
    weights = np.vstack([count.astype(np.float64), draws])
    gaps = _macro_f1(triples[0], triples[1], weights, classes) - _macro_f1(triples[0], triples[2], weights, classes)
    tail = (1 - confidence) / 2
    low, high = np.quantile(gaps[1:], [tail, 1 - tail])
    return Difference(
        difference=float(gaps[0]), low=float(low), high=float(high), confidence=confidence, resamples=resamples
    )


def _macro_f1(truth: IntArray, predicted: IntArray, weights: FloatArray, classes: IntArray) -> FloatArray:
    """Macro F1 per row of `weights` `(n_samples, n_distinct)`."""
    is_truth, is_predicted = truth[:, None] == classes, predicted[:, None] == classes
    hits = weights @ (is_truth & is_predicted).astype(np.float64)
    mentions = weights @ (is_truth.astype(np.float64) + is_predicted)
    f1: FloatArray = _ratio(2 * hits, mentions).mean(axis=1)
    return f1


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
