"""Shared prototypes: every labeler is a mixture of two ways to answer that all have in common."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import digamma, gammaln

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.votes import Votes

PROTOTYPES = Algorithm(name="shared_prototypes", version=1)

#: One prototype begins where who answers so is mostly right, the other where they are mostly wrong.
N_PROTOTYPES = 2
ACCURATE_SHARE = (0.8, 0.2)
#: Imagined answers per row of a prototype, spread as it begins; prototypes are shared, so votes soon outweigh them.
PROTOTYPE_PSEUDO_COUNT = 4.0
#: Imagined answers of a labeler by each prototype.
LABELER_PSEUDO_COUNTS = (2.0, 1.0)
CLASS_CONCENTRATION = 1.0

DEFAULT_STOP = Stop(max_iterations=200, tolerance=1e-4)


def shared_prototypes(votes: Votes, *, truths: IntArray | None = None, stop: Stop = DEFAULT_STOP) -> Consensus:
    """Posterior class of every item, by mean-field variational inference.

    For sparse votes over many classes: a labeler needs no matrix of their own, only how often they answer in which of
    two ways, so a few votes say enough.

    Args:
        votes: as `collect_votes` gives them.
        truths: class index per item, -1 where unknown; known items keep their truth.
        stop: when to end.

    Returns:
        The consensus; `log_likelihood` is the evidence lower bound, and a labeler's `confusion` is their mixture.

    Source:
        Prototypical Bayesian classifier combination (PTBCC), arXiv 2508.02123: annotators as Dirichlet mixtures over
        two prototype confusion matrices with an accurate and an adversarial start. Its pseudo-counts are ours.
    """
    state = _State.begin(votes)
    posterior = _clamped(majority_posterior(votes), truths)
    converged, iterations = False, 0
    state.learn(posterior)
    while iterations < stop.max_iterations and not converged:
        iterations += 1
        previous, posterior = posterior, _clamped(_normalised(state.scores()), truths)
        state.learn(posterior)
        # What the first round learns of labelers moves an item only in the second: a tie stands still in between.
        converged = iterations > 1 and bool(np.abs(posterior - previous).max(initial=0.0) < stop.tolerance)
    return Consensus(
        algorithm=PROTOTYPES,
        posterior=posterior,
        confusion=state.confusion(),
        class_prior=state.classes / state.classes.sum(),
        log_likelihood=state.bound(posterior),
        iterations=iterations,
        converged=converged,
    )


@dataclass(slots=True, kw_only=True)
class _State:
    """Dirichlet pseudo-counts and who answered how.

    Attributes:
        classes: `(K,)`.
        prototypes: `(P, K, K)`, `[prototype, truth, answer]`.
        labelers: `(labelers, P)`.
        ways: `(votes, P)`, how probable it is that a vote was given in each way.
    """

    votes: Votes
    classes: FloatArray
    prototypes: FloatArray
    labelers: FloatArray
    ways: FloatArray

    @classmethod
    def begin(cls, votes: Votes) -> Self:
        n_labelers = votes.n_labelers
        labelers = np.tile(np.array(LABELER_PSEUDO_COUNTS), (n_labelers, 1))
        return cls(
            votes=votes,
            classes=np.full(votes.n_classes, CLASS_CONCENTRATION),
            prototypes=_prior(votes.n_classes),
            labelers=labelers,
            ways=np.full((len(votes.item_index), N_PROTOTYPES), 1 / N_PROTOTYPES),
        )

    def learn(self, posterior: FloatArray) -> None:
        """Who answered how, given the items; then the Dirichlets, given both."""
        at = posterior[self.votes.item_index]  # (votes, K)
        log_prototypes = _expected_log(self.prototypes)
        evidence = np.stack(
            [(at * log_prototypes[way][:, self.votes.label_index].T).sum(axis=1) for way in range(N_PROTOTYPES)], axis=1
        )
        self.ways = _normalised(evidence + _expected_log(self.labelers)[self.votes.labeler_index])
        self.classes = CLASS_CONCENTRATION + posterior.sum(axis=0)
        self.prototypes = _prior(self.votes.n_classes) + self._counts(at)
        self.labelers = np.array(LABELER_PSEUDO_COUNTS) + np.stack(
            [
                np.bincount(self.votes.labeler_index, self.ways[:, way], self.votes.n_labelers)
                for way in range(N_PROTOTYPES)
            ],
            axis=1,
        )

    def scores(self) -> FloatArray:
        """Expected log joint of every item with every class, `(items, K)`."""
        log_prototypes = _expected_log(self.prototypes)
        scores = np.tile(_expected_log(self.classes), (self.votes.n_items, 1))
        for truth in range(self.votes.n_classes):
            per_vote = (self.ways * log_prototypes[:, truth, :][:, self.votes.label_index].T).sum(axis=1)
            scores[:, truth] += np.bincount(self.votes.item_index, per_vote, self.votes.n_items)
        return scores

    def confusion(self) -> FloatArray:
        """Every labeler's mixture of the prototypes, `(labelers, K, K)`."""
        shares = self.labelers / self.labelers.sum(axis=1, keepdims=True)
        rows = self.prototypes / self.prototypes.sum(axis=2, keepdims=True)
        confusion: FloatArray = np.einsum("wp,pka->wka", shares, rows)
        return confusion

    def bound(self, posterior: FloatArray) -> float:
        """Evidence lower bound right after `learn`."""
        n_classes = self.votes.n_classes
        gain = _log_beta(self.classes) - _log_beta(np.full(n_classes, CLASS_CONCENTRATION))
        gain += (_log_beta(self.prototypes) - _log_beta(_prior(n_classes))).sum()
        gain += (_log_beta(self.labelers) - _log_beta(np.array(LABELER_PSEUDO_COUNTS))).sum()
        return float(gain + _entropy(posterior) + _entropy(self.ways))

    def _counts(self, at: FloatArray) -> FloatArray:
        """How often each prototype gave each answer to each truth, `(P, K, K)`."""
        n_classes = self.votes.n_classes
        counts = np.zeros((N_PROTOTYPES, n_classes, n_classes))
        for way in range(N_PROTOTYPES):
            for truth in range(n_classes):
                weight = self.ways[:, way] * at[:, truth]
                counts[way, truth] = np.bincount(self.votes.label_index, weight, n_classes)
        return counts


def _prior(n_classes: int) -> FloatArray:
    rows = [np.where(np.eye(n_classes, dtype=bool), share, (1 - share) / (n_classes - 1)) for share in ACCURATE_SHARE]
    return PROTOTYPE_PSEUDO_COUNT * np.stack(rows)


def _expected_log(counts: FloatArray) -> FloatArray:
    """Of Dirichlets whose components lie along the last axis."""
    expected: FloatArray = digamma(counts) - digamma(counts.sum(axis=-1, keepdims=True))
    return expected


def _log_beta(counts: FloatArray) -> FloatArray:
    normaliser: FloatArray = gammaln(counts).sum(axis=-1) - gammaln(counts.sum(axis=-1))
    return normaliser


def _entropy(shares: FloatArray) -> float:
    return -float((shares * np.log(np.maximum(shares, 1e-300))).sum())


def _normalised(scores: FloatArray) -> FloatArray:
    joint = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    shares: FloatArray = joint / joint.sum(axis=1, keepdims=True)
    return shares


def _clamped(posterior: FloatArray, truths: IntArray | None) -> FloatArray:
    if truths is None:
        return posterior
    known = np.flatnonzero(truths >= 0)
    posterior[known] = 0.0
    posterior[known, truths[known]] = 1.0
    return posterior
