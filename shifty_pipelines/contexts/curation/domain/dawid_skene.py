"""Dawid-Skene: a confusion matrix per labeler, plain or shrunk to what labelers have in common."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop, fit
from shifty_pipelines.contexts.curation.domain.votes import Votes

DAWID_SKENE = Algorithm(name="dawid_skene", version=1)
POOLED_DAWID_SKENE = Algorithm(name="pooled_dawid_skene", version=1)

#: A labeler's row starts as two imagined answers spread like everybody's. Mildly tuned: taken from a sweep on public
#: sets that include our seven; their mean is flat from 0.5 to 4 (.884 to .885), bench/consensus.py prints the sweep.
POOLING_STRENGTH = 2.0

#: Keeps logarithms finite where nobody ever gave an answer; too small to move a matrix that has data.
CELL_PSEUDO_COUNT = 1e-6

#: Plain Dawid-Skene is the published baseline; a hundredth of a vote per cell only keeps it from claiming certainty.
PLAIN_PSEUDO_COUNT = 0.01

DEFAULT_STOP = Stop()


def pooled_dawid_skene(
    votes: Votes, *, strength: float = POOLING_STRENGTH, truths: IntArray | None = None, stop: Stop = DEFAULT_STOP
) -> Consensus:
    """Posterior class of every item, labelers' confusion matrices shrunk to the pooled one, by EM in log space.

    A labeler's row for truth k is the posterior mean under Dirichlet(strength x pooled row k), the pooled row being
    all labelers' expected counts: few votes look like everybody, many votes speak for themselves. The pooled row is
    re-estimated each round (empirical Bayes), so `log_likelihood` may dip; the stop rule watches posteriors instead.

    Args:
        votes: as `collect_votes` gives them.
        strength: imagined answers per row; 0 is plain Dawid-Skene without smoothing.
        truths: class index per item, -1 where unknown; known items keep their truth.
        stop: when to end.

    Source:
        Dawid & Skene (1979), Applied Statistics 28(1), eqs. 2.3-2.5; partial pooling as in Paun et al. (2018), TACL 6,
        "Comparing Bayesian models of annotation" (hierarchical Dawid-Skene), with a point estimate for the top level.
    """

    def shrunk_to_the_pool(counts: FloatArray) -> FloatArray:
        pooled = _rows_to_one(counts.sum(axis=0) + CELL_PSEUDO_COUNT)
        return _rows_to_one(counts + strength * pooled + CELL_PSEUDO_COUNT)

    return fit(votes, POOLED_DAWID_SKENE, shrunk_to_the_pool, truths=truths, stop=stop)


def dawid_skene(votes: Votes, *, truths: IntArray | None = None, stop: Stop = DEFAULT_STOP) -> Consensus:
    """Posterior class of every item with an unpooled confusion matrix per labeler: the classic, for comparison.

    Needs about n_classes squared votes per labeler (Toloka's advice); with fewer, `pooled_dawid_skene` is the default.

    Source:
        Dawid & Skene (1979), eqs. 2.3-2.5, each cell with `PLAIN_PSEUDO_COUNT` so that no answer is impossible.
    """

    def smoothed(counts: FloatArray) -> FloatArray:
        return _rows_to_one(counts + PLAIN_PSEUDO_COUNT)

    return fit(votes, DAWID_SKENE, smoothed, truths=truths, stop=stop)


def _rows_to_one(counts: FloatArray) -> FloatArray:
    rows: FloatArray = counts / np.sum(counts, axis=-1, keepdims=True)
    return rows
