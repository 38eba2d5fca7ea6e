"""The EM loop that Dawid-Skene and its relatives share; they differ only in how counts become confusion matrices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.votes import Votes

#: Expected counts `[labeler, truth, answer]` -> confusion matrices of the same shape, every entry above zero.
ConfusionRule = Callable[[FloatArray], FloatArray]

#: Keeps the log prior of a class nobody voted for finite, and is small enough that plain Dawid-Skene gives the class
#: marginals published in 1979 to two digits; a whole pseudo-item per class would not.
CLASS_PRIOR_PSEUDO_COUNT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When to stop: after `max_iterations`, or once no posterior moves by `tolerance`."""

    max_iterations: int = 100
    tolerance: float = 1e-4


def fit(votes: Votes, algorithm: Algorithm, rule: ConfusionRule, *, truths: IntArray | None, stop: Stop) -> Consensus:
    """Alternate the M-step `rule` and the E-step, from vote shares on (Dawid & Skene 1979, section 3), in log space.

    Args:
        votes: as `collect_votes` gives them.
        algorithm: stored with the result.
        rule: the M-step.
        truths: class index per item, -1 where unknown; a known item's posterior is held at its truth, so gold and
            adjudicated items teach the skills and are never voted away.
        stop: when to end.

    Deterministic: no random start, and sums run in the canonical order of the votes. Cost per round is
    O(votes x classes) in compiled code.
    """
    columns = _Columns.of(votes)
    posterior = _clamp(majority_posterior(votes).T.copy(), truths)
    log_joint, confusion, class_prior = _round(columns, posterior, rule)
    converged, iterations = False, 0
    while iterations < stop.max_iterations and not converged:
        iterations += 1
        previous, posterior = posterior, _clamp(_normalised(log_joint), truths)
        log_joint, confusion, class_prior = _round(columns, posterior, rule)
        converged = bool(np.abs(posterior - previous).max(initial=0.0) < stop.tolerance)
    return Consensus(
        algorithm=algorithm,
        posterior=_clamp(_normalised(log_joint), truths).T.copy(),
        confusion=confusion,
        class_prior=class_prior,
        log_likelihood=_log_likelihood(log_joint, truths),
        iterations=iterations,
        converged=converged,
    )


# Inside the loop arrays are class first, `(n_classes, n_items)`: every pass runs along the long, contiguous axis.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Votes as the two indices that the sums need, widened once."""

    item: IntArray
    cell: IntArray  # labeler x class + answer
    shape: tuple[int, int, int]  # items, labelers, classes

    @classmethod
    def of(cls, votes: Votes) -> Self:
        return cls(
            item=votes.item_index.astype(np.int64),
            cell=votes.labeler_index.astype(np.int64) * votes.n_classes + votes.label_index,
            shape=(votes.n_items, votes.n_labelers, votes.n_classes),
        )


def _round(columns: _Columns, posterior: FloatArray, rule: ConfusionRule) -> tuple[FloatArray, FloatArray, FloatArray]:
    """M-step and the sums of the E-step: log joint, confusion, class prior."""
    confusion = rule(_expected_counts(columns, posterior))
    class_prior = posterior.sum(axis=1) + CLASS_PRIOR_PSEUDO_COUNT
    class_prior /= class_prior.sum()
    return _log_joint(columns, confusion, class_prior), confusion, class_prior


def _expected_counts(columns: _Columns, posterior: FloatArray) -> FloatArray:
    """How often each labeler gave each answer to each truth, by the present posterior."""
    _, n_labelers, n_classes = columns.shape
    counts = np.empty((n_labelers, n_classes, n_classes))
    for truth in range(n_classes):
        answers = np.bincount(columns.cell, posterior[truth][columns.item], n_labelers * n_classes)
        counts[:, truth, :] = answers.reshape(n_labelers, n_classes)
    return counts


def _log_joint(columns: _Columns, confusion: FloatArray, class_prior: FloatArray) -> FloatArray:
    """Log of p(votes on the item, truth)."""
    n_items, _, n_classes = columns.shape
    log_confusion, log_prior = np.log(confusion), np.log(class_prior)
    joint = np.empty((n_classes, n_items))
    for truth in range(n_classes):
        evidence = log_confusion[:, truth, :].ravel()[columns.cell]
        joint[truth] = log_prior[truth] + np.bincount(columns.item, evidence, n_items)
    return joint


def _normalised(log_joint: FloatArray) -> FloatArray:
    joint = np.exp(log_joint - log_joint.max(axis=0))
    posterior: FloatArray = joint / joint.sum(axis=0)
    return posterior


def _clamp(posterior: FloatArray, truths: IntArray | None) -> FloatArray:
    if truths is None:
        return posterior
    known = np.flatnonzero(truths >= 0)
    posterior[:, known] = 0.0
    posterior[truths[known], known] = 1.0
    return posterior


def _log_likelihood(log_joint: FloatArray, truths: IntArray | None) -> float:
    top = log_joint.max(axis=0)
    per_item = top + np.log(np.exp(log_joint - top).sum(axis=0))
    if truths is not None:
        known = np.flatnonzero(truths >= 0)
        per_item[known] = log_joint[truths[known], known]
    return float(per_item.sum())
