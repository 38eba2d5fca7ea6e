"""Majority vote: every vote counts the same, a tie is a tie."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.votes import Votes

MAJORITY = Algorithm(name="majority", version=1)


def majority_posterior(votes: Votes) -> FloatArray:
    """Vote share of every class, `(n_items, n_classes)`, rows sum to 1.

    Ties stay ties: `consensus.expected_accuracy` splits them evenly, where breaking them by the lowest label would move
    the mean of the seven public sets by two points (docs: bench/consensus.py).

    Example:
        >>> from shifty_pipelines.contexts.curation.domain.votes import collect_votes
        >>> votes, _ = collect_votes([("i", "ann", "bug"), ("i", "bob", "feature")], ["bug", "feature"])
        >>> majority_posterior(votes).tolist()
        [[0.5, 0.5]]
    """
    counts = votes.label_counts()
    share: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return share


def majority(votes: Votes, *, truths: IntArray | None = None) -> Consensus:
    """`majority_posterior` as a consensus: known items keep their truth, and labelers are measured against the rest.

    `log_likelihood` is nan: counting votes has no model of them.
    """
    posterior = majority_posterior(votes)
    if truths is not None:
        known = np.flatnonzero(truths >= 0)
        posterior[known] = 0.0
        posterior[known, truths[known]] = 1.0
    confusion = np.empty((votes.n_labelers, votes.n_classes, votes.n_classes))
    cells = votes.labeler_index.astype(np.int64) * votes.n_classes + votes.label_index
    for truth in range(votes.n_classes):
        counts = np.bincount(cells, posterior[votes.item_index, truth], votes.n_labelers * votes.n_classes)
        # One imagined answer spread evenly: a labeler who never met a class is not said to know it.
        confusion[:, truth] = counts.reshape(votes.n_labelers, votes.n_classes) + 1 / votes.n_classes
    return Consensus(
        algorithm=MAJORITY,
        posterior=posterior,
        confusion=confusion / confusion.sum(axis=2, keepdims=True),
        class_prior=posterior.mean(axis=0) if votes.n_items else np.full(votes.n_classes, 1 / votes.n_classes),
        log_likelihood=float("nan"),
        iterations=0,
        converged=True,
    )
