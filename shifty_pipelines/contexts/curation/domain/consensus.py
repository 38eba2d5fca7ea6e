"""What an aggregator answers, whichever it was: posteriors, skills, and how to score them."""

from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray

#: Two posteriors nearer than this are a tie: sums of the same votes in another order differ in the last bits.
TIE_MARGIN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """Stored with every result; the version rises whenever the same votes could give another answer."""

    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Consensus:
    """A fitted aggregator.

    Attributes:
        posterior: `(n_items, n_classes)`, rows sum to 1.
        confusion: `(n_labelers, n_classes, n_classes)`, `[labeler, truth, answer]`, rows sum to 1.
        class_prior: `(n_classes,)`, sums to 1.
        log_likelihood: of all votes under the parameters above, in nats.
        iterations: rounds of EM that were run.
        converged: whether the last round moved no posterior by the tolerance or more.
    """

    algorithm: Algorithm
    posterior: FloatArray
    confusion: FloatArray
    class_prior: FloatArray
    log_likelihood: float
    iterations: int
    converged: bool


def expected_accuracy(posterior: FloatArray, truth: IntArray) -> float:
    """Share of items decided rightly, ties split evenly: 0.5 for a right answer tied with one wrong one.

    Args:
        posterior: `(n_items, n_classes)`.
        truth: class index per item; -1 where the truth is unknown, which leaves the item out.

    Returns:
        0 to 1, or nan when no truth is known.
    """
    known = truth >= 0
    if not known.any():
        return float("nan")
    share, answer = posterior[known], truth[known]
    top = share >= share.max(axis=1, keepdims=True) - TIE_MARGIN
    return float(np.mean(top[np.arange(len(answer)), answer] / top.sum(axis=1)))


def labeler_accuracy(consensus: Consensus) -> FloatArray:
    """Chance of a right answer per labeler, `(n_labelers,)`, over items drawn from the class prior.

    This is the one number per labeler that the online posterior of an item needs.
    """
    hits = np.einsum("wkk->wk", consensus.confusion)
    accuracy: FloatArray = hits @ consensus.class_prior
    return accuracy
