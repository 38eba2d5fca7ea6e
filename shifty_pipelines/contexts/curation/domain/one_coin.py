"""One-coin Dawid-Skene: one accuracy per labeler, errors spread evenly over the other classes."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.dawid_skene import DEFAULT_STOP, POOLING_STRENGTH
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop, fit
from shifty_pipelines.contexts.curation.domain.votes import Votes

ONE_COIN = Algorithm(name="one_coin", version=1)

#: Nobody is certain: an accuracy of exactly 0 or 1 would let one labeler outvote everybody for ever.
ACCURACY_MARGIN = 1e-6


def one_coin(
    votes: Votes, *, strength: float = POOLING_STRENGTH, truths: IntArray | None = None, stop: Stop = DEFAULT_STOP
) -> Consensus:
    """Posterior class of every item from one accuracy per labeler, shrunk to the common accuracy, by EM in log space.

    Best where labelers gave few votes each, or where errors hide in one class; blind to a labeler who confuses two
    classes only. `strength` imagined votes at the pooled accuracy are added to each labeler's.

    Source:
        The homogeneous model of Zhou et al. (2012) and ZenCrowd (Demartini et al. 2012), with pooling as in
        `dawid_skene.pooled_dawid_skene`.
    """

    def one_accuracy(counts: FloatArray) -> FloatArray:
        hits, total = np.einsum("wkk->w", counts), counts.sum(axis=(1, 2))
        common = hits.sum() / max(total.sum(), 1.0)
        accuracy = (hits + strength * common) / (total + strength)
        return _even_errors(np.clip(accuracy, ACCURACY_MARGIN, 1 - ACCURACY_MARGIN), votes.n_classes)

    return fit(votes, ONE_COIN, one_accuracy, truths=truths, stop=stop)


def _even_errors(accuracy: FloatArray, n_classes: int) -> FloatArray:
    right, wrong = accuracy[:, None, None], (1 - accuracy)[:, None, None] / (n_classes - 1)
    confusion: FloatArray = np.where(np.eye(n_classes, dtype=bool), right, wrong)
    return confusion
