"""Majority vote: every vote counts the same, a tie is a tie."""

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm
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
