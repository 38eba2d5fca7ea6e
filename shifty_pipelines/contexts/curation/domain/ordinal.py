"""Ordered labels: a labeler is off by a habit and by chance, and near misses are likelier than far ones."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.dawid_skene import DEFAULT_STOP, POOLING_STRENGTH
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop, fit
from shifty_pipelines.contexts.curation.domain.votes import Votes

ORDINAL = Algorithm(name="ordinal", version=1)

#: A spread of nothing would make every near miss impossible, and a single step wide is what rounding alone gives.
LEAST_SPREAD = 0.3
#: A share of answers that say nothing: somebody clicks the wrong end once.
STRAY_SHARE = 0.01


def ordinal(
    votes: Votes, *, strength: float = POOLING_STRENGTH, truths: IntArray | None = None, stop: Stop = DEFAULT_STOP
) -> Consensus:
    """Posterior class of every item where the labels are steps of a scale, in the order of the label set.

    Two numbers per labeler, where a confusion matrix has K (K - 1): how many steps their answers lie above the truth on
    average, and how far they spread. `strength` imagined answers without a habit and with everybody's spread are added
    to each labeler's. Who is in the middle has no habit: else all truths could move a step, and all habits with them.

    Source:
        The rounded Gaussian of Lakshminarayanan & Teh (2013), "Inferring ground truth from multi-annotator ordinal
        data: a probabilistic approach", arXiv 1305.0015, section 2 (bias and precision per annotator), here by EM over
        the classes.
    """
    steps = np.arange(votes.n_classes)
    offsets = (steps[None, :] - steps[:, None]).astype(float)  # [truth, answer]

    def habits(counts: FloatArray) -> FloatArray:
        total = counts.sum(axis=(1, 2))
        first = np.einsum("wka,ka->w", counts, offsets)
        second = np.einsum("wka,ka->w", counts, offsets**2)
        bias = first / np.maximum(total + strength, 1e-12)
        centre = float(np.median(bias)) if len(bias) else 0.0
        # The spread is around a labeler's own habit, whatever the scale's zero is.
        around = second - 2 * bias * first + bias**2 * total
        common = around.sum() / max(total.sum(), 1.0)
        spread = np.sqrt((around + strength * common) / np.maximum(total + strength, 1e-12))
        return _confusion(offsets, bias - centre, np.maximum(spread, LEAST_SPREAD))

    return fit(votes, ORDINAL, habits, truths=truths, stop=stop)


def _confusion(offsets: FloatArray, bias: FloatArray, spread: FloatArray) -> FloatArray:
    """`[labeler, truth, answer]` of rounded Gaussians, with a share of stray answers."""
    distance = (offsets[None] - bias[:, None, None]) / spread[:, None, None]
    density = np.exp(-0.5 * distance**2) + 1e-12  # a habit far off the scale still has to answer something
    rows = density / density.sum(axis=2, keepdims=True)
    confusion: FloatArray = (1 - STRAY_SHARE) * rows + STRAY_SHARE / offsets.shape[1]
    return confusion
