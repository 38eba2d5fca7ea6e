"""The EM loop that Dawid-Skene and its relatives share; they differ only in how counts become confusion matrices."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.votes import Votes

#: Expected counts `[labeler, truth, answer]` -> confusion matrices of the same shape, every entry above zero.
ConfusionRule = Callable[[FloatArray], FloatArray]

#: One pseudo-item per class keeps the log prior of an unseen class finite (Laplace).
CLASS_PRIOR_PSEUDO_COUNT = 1.0


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
    posterior = _clamp(majority_posterior(votes), truths)
    confusion, class_prior = rule(_expected_counts(votes, posterior)), _class_prior(posterior)
    log_joint = _log_joint(votes, confusion, class_prior)
    converged, iterations = False, 0
    while iterations < stop.max_iterations and not converged:
        iterations += 1
        previous, posterior = posterior, _clamp(_normalised(log_joint), truths)
        confusion, class_prior = rule(_expected_counts(votes, posterior)), _class_prior(posterior)
        log_joint = _log_joint(votes, confusion, class_prior)
        converged = bool(np.abs(posterior - previous).max(initial=0.0) < stop.tolerance)
    return Consensus(
        algorithm=algorithm,
        posterior=_clamp(_normalised(log_joint), truths),
        confusion=confusion,
        class_prior=class_prior,
        log_likelihood=_log_likelihood(log_joint, truths),
        iterations=iterations,
        converged=converged,
    )


def _expected_counts(votes: Votes, posterior: FloatArray) -> FloatArray:
    """How often each labeler gave each answer to each truth, by the present posterior."""
    n_labelers, n_classes = votes.n_labelers, votes.n_classes
    cell = _answer_cell(votes)
    counts = np.empty((n_labelers, n_classes, n_classes))
    for truth in range(n_classes):
        weight = posterior[:, truth][votes.item_index]
        counts[:, truth, :] = np.bincount(cell, weight, n_labelers * n_classes).reshape(n_labelers, n_classes)
    return counts


def _log_joint(votes: Votes, confusion: FloatArray, class_prior: FloatArray) -> FloatArray:
    """Log of p(votes on the item, truth), `(n_items, n_classes)`."""
    cell = _answer_cell(votes)
    log_confusion = np.log(confusion)
    joint = np.tile(np.log(class_prior), (votes.n_items, 1))
    for truth in range(votes.n_classes):
        weight = log_confusion[:, truth, :].ravel()[cell]
        joint[:, truth] += np.bincount(votes.item_index, weight, votes.n_items)
    return joint


def _answer_cell(votes: Votes) -> IntArray:
    cell: IntArray = votes.labeler_index.astype(np.int64) * votes.n_classes + votes.label_index
    return cell


def _normalised(log_joint: FloatArray) -> FloatArray:
    joint = np.exp(log_joint - log_joint.max(axis=1, keepdims=True, initial=-np.inf))
    posterior: FloatArray = joint / joint.sum(axis=1, keepdims=True)
    return posterior


def _class_prior(posterior: FloatArray) -> FloatArray:
    mass: FloatArray = posterior.sum(axis=0) + CLASS_PRIOR_PSEUDO_COUNT
    prior: FloatArray = mass / mass.sum()
    return prior


def _clamp(posterior: FloatArray, truths: IntArray | None) -> FloatArray:
    if truths is None:
        return posterior
    known = np.flatnonzero(truths >= 0)
    posterior[known] = 0.0
    posterior[known, truths[known]] = 1.0
    return posterior


def _log_likelihood(log_joint: FloatArray, truths: IntArray | None) -> float:
    per_item = np.logaddexp.reduce(log_joint, axis=1)
    if truths is not None:
        known = np.flatnonzero(truths >= 0)
        per_item[known] = log_joint[known, truths[known]]
    return float(per_item.sum())
