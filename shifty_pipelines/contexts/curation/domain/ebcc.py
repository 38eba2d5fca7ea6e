"""Enhanced Bayesian classifier combination: classes have hidden subtypes, so labelers may err together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_array
from scipy.special import digamma, gammaln

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.votes import Votes

EBCC = Algorithm(name="ebcc", version=1)

#: The paper's: four imagined right answers and one of each wrong one, per labeler, class and subtype.
RIGHT_PSEUDO_COUNT, WRONG_PSEUDO_COUNT = 4.0, 1.0
#: The paper's: few subtypes per class are in use unless the votes ask for more.
SUBTYPE_CONCENTRATION = 0.1
CLASS_CONCENTRATION = 1.0
#: Tried in this order; the votes say by the bound which it is. 1 is the model without subtypes.
SUBTYPE_CHOICES = (1, 3)
#: The subtypes start at random, and the bound has many summits; of so many starts the highest is kept.
STARTS = 4
SEED = 20_260_101
#: Labeler x class x subtype x answer tables larger than this are not made: fewer subtypes are used instead.
MAX_CELLS = 20_000_000

DEFAULT_STOP = Stop(max_iterations=200, tolerance=1e-4)


def ebcc(
    votes: Votes,
    *,
    subtypes: Sequence[int] = SUBTYPE_CHOICES,
    starts: int = STARTS,
    truths: IntArray | None = None,
    stop: Stop = DEFAULT_STOP,
) -> Consensus:
    """Posterior class of every item by mean-field variational inference.

    An item has a class and, within it, a subtype; a labeler has one row of answers per class and subtype. Labelers who
    err on the same subtype err together, and are then not counted as independent witnesses.

    Args:
        votes: as `collect_votes` gives them.
        subtypes: how many per class to try; 1 is the independent model of Kim & Ghahramani (2012).
        starts: random starts of each, of which the one of the highest bound is kept; the same votes give the same
            starts.
        truths: class index per item, -1 where unknown; known items keep their truth.
        stop: when one start ends.

    Returns:
        The consensus; its `log_likelihood` is the evidence lower bound, and `confusion` is averaged over subtypes.

    Source:
        Li, Rubinstein & Cohn (2019), "Exploiting worker correlation for label aggregation in crowdsourcing", ICML,
        PMLR 97, section 4 and its hyperparameters.
    """
    most = max(1, MAX_CELLS // (max(votes.n_labelers, 1) * votes.n_classes**2))
    fits = [
        _fit(table, start, truths, stop)
        for table in (_Table.of(votes, count) for count in sorted({min(count, most) for count in subtypes}))
        for start in _starts(votes, table, starts if table.subtypes > 1 else 1)
    ]
    return max(fits, key=lambda found: found.bound).consensus()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The votes as one sparse matrix, `(labelers x answers, items)`, and the prior's shape."""

    incidence: csr_array
    n_items: int
    n_labelers: int
    n_classes: int
    subtypes: int

    @classmethod
    def of(cls, votes: Votes, subtypes: int) -> Self:
        cells = votes.labeler_index.astype(np.int64) * votes.n_classes + votes.label_index
        shape = (votes.n_labelers * votes.n_classes, votes.n_items)
        incidence = csr_array((np.ones(len(cells)), (cells, votes.item_index)), shape=shape)
        return cls(
            incidence=incidence,
            n_items=votes.n_items,
            n_labelers=votes.n_labelers,
            n_classes=votes.n_classes,
            subtypes=subtypes,
        )

    @property
    def answer_prior(self) -> FloatArray:
        """Pseudo-counts `(answers, classes x subtypes)`, the same for every labeler."""
        per_class = np.full((self.n_classes, self.n_classes), WRONG_PSEUDO_COUNT)
        np.fill_diagonal(per_class, RIGHT_PSEUDO_COUNT)
        return np.repeat(per_class.T, self.subtypes, axis=1)

    def by_labeler(self, counts: FloatArray) -> FloatArray:
        """`(labelers x answers, cells)` as `(labelers, answers, cells)`."""
        return counts.reshape(self.n_labelers, self.n_classes, self.n_classes * self.subtypes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    """Dirichlet pseudo-counts: classes `(K,)`, subtypes `(K, M)`, answers `(labelers, K, K x M)`."""

    classes: FloatArray
    subtypes: FloatArray
    answers: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """One start at its end: responsibilities `(items, K x M)`, parameters and the evidence lower bound in nats."""

    table: _Table
    responsibilities: FloatArray
    parameters: _Parameters
    bound: float
    iterations: int
    converged: bool

    def consensus(self) -> Consensus:
        table = self.table
        shape = (table.n_classes, table.subtypes)
        subtypes = self.parameters.subtypes / self.parameters.subtypes.sum(axis=1, keepdims=True)
        answers = self.parameters.answers / self.parameters.answers.sum(axis=1, keepdims=True)
        by_subtype = answers.reshape(table.n_labelers, table.n_classes, *shape)
        return Consensus(
            algorithm=EBCC,
            posterior=self.responsibilities.reshape(table.n_items, *shape).sum(axis=2),
            confusion=np.einsum("wakm,km->wka", by_subtype, subtypes),
            class_prior=self.parameters.classes / self.parameters.classes.sum(),
            log_likelihood=self.bound,
            iterations=self.iterations,
            converged=self.converged,
        )


def _starts(votes: Votes, table: _Table, count: int) -> Iterator[FloatArray]:
    """Vote shares per class, spread over its subtypes at random."""
    rng = np.random.default_rng(SEED)
    shares = majority_posterior(votes)
    for _ in range(count):
        spread = rng.dirichlet(np.ones(table.subtypes), size=(table.n_items, table.n_classes))
        yield (shares[:, :, None] * spread).reshape(table.n_items, table.n_classes * table.subtypes)


def _fit(table: _Table, start: FloatArray, truths: IntArray | None, stop: Stop) -> _Fit:
    log_mask = _log_mask(table, truths)
    responsibilities = start if log_mask is None else _normalised(np.log(start + 1e-12) + log_mask)
    converged, iterations = False, 0
    while True:
        parameters = _parameters(table, responsibilities)
        if converged or iterations == stop.max_iterations:
            break
        iterations += 1
        scores = _scores(table, parameters)
        previous, responsibilities = responsibilities, _normalised(scores if log_mask is None else scores + log_mask)
        converged = bool(np.abs(responsibilities - previous).max(initial=0.0) < stop.tolerance)
    bound = _bound(table, parameters, responsibilities)
    return _Fit(
        table=table,
        responsibilities=responsibilities,
        parameters=parameters,
        bound=bound,
        iterations=iterations,
        converged=converged,
    )


def _parameters(table: _Table, responsibilities: FloatArray) -> _Parameters:
    """The best Dirichlets given who is what (the paper's equations for nu, mu and lambda)."""
    per_cell = responsibilities.sum(axis=0).reshape(table.n_classes, table.subtypes)
    counts = table.by_labeler(table.incidence @ responsibilities)
    return _Parameters(
        classes=CLASS_CONCENTRATION + per_cell.sum(axis=1),
        subtypes=SUBTYPE_CONCENTRATION + per_cell,
        answers=table.answer_prior + counts,
    )


def _scores(table: _Table, parameters: _Parameters) -> FloatArray:
    """Expected log joint of every item with every class and subtype, `(items, K x M)`."""
    log_classes = digamma(parameters.classes) - digamma(parameters.classes.sum())
    log_subtypes = digamma(parameters.subtypes) - digamma(parameters.subtypes.sum(axis=1, keepdims=True))
    log_answers = digamma(parameters.answers) - digamma(parameters.answers.sum(axis=1, keepdims=True))
    evidence = table.incidence.T @ log_answers.reshape(table.incidence.shape[0], log_answers.shape[2])
    scores: FloatArray = evidence + (log_classes[:, None] + log_subtypes).ravel()
    return scores


def _bound(table: _Table, parameters: _Parameters, responsibilities: FloatArray) -> float:
    """Evidence lower bound right after `_parameters`: what conjugacy leaves of it, and the entropy of the items."""
    gain = _log_beta(parameters.classes) - _log_beta(np.full(table.n_classes, CLASS_CONCENTRATION))
    flat = np.full(table.subtypes, SUBTYPE_CONCENTRATION)
    gain += (_log_beta(parameters.subtypes.T) - _log_beta(flat)).sum()
    gain += (_log_beta(parameters.answers.swapaxes(0, 1)) - _log_beta(table.answer_prior)[None]).sum()
    entropy = -(responsibilities * np.log(np.maximum(responsibilities, 1e-300))).sum()
    return float(gain + entropy)


def _log_beta(counts: FloatArray) -> FloatArray:
    """Log normaliser of Dirichlets whose components lie along the first axis."""
    normaliser: FloatArray = gammaln(counts).sum(axis=0) - gammaln(counts.sum(axis=0))
    return normaliser


def _normalised(scores: FloatArray) -> FloatArray:
    joint = np.exp(scores - scores.max(axis=1, keepdims=True))
    responsibilities: FloatArray = joint / joint.sum(axis=1, keepdims=True)
    return responsibilities


def _log_mask(table: _Table, truths: IntArray | None) -> FloatArray | None:
    """0 where an item may be of a class, -inf where its truth is another one; None when nothing is known."""
    if truths is None or not (truths >= 0).any():
        return None
    allowed = np.ones((table.n_items, table.n_classes), dtype=bool)
    known = np.flatnonzero(truths >= 0)
    allowed[known] = False
    allowed[known, truths[known]] = True
    return np.where(np.repeat(allowed, table.subtypes, axis=1), 0.0, -np.inf)
