"""A committee of aggregators: no model is best everywhere, and their mean is seldom far from the best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import TIE_MARGIN, Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.dawid_skene import POOLED_DAWID_SKENE, pooled_dawid_skene
from shifty_pipelines.contexts.curation.domain.ebcc import EBCC, ebcc
from shifty_pipelines.contexts.curation.domain.one_coin import ONE_COIN, one_coin
from shifty_pipelines.contexts.curation.domain.votes import Votes

COMMITTEE = Algorithm(name="committee", version=1)

#: One aggregator as the committee calls it.
Member = Callable[[Votes, IntArray | None], Consensus]

#: One of each family: one accuracy per labeler, one confusion matrix per labeler, labelers who err together.
MEMBERS: Sequence[Member] = (
    lambda votes, truths: one_coin(votes, truths=truths),
    lambda votes, truths: pooled_dawid_skene(votes, truths=truths),
    lambda votes, truths: ebcc(votes, truths=truths),
)

MEMBER_NAMES = (ONE_COIN.name, POOLED_DAWID_SKENE.name, EBCC.name)

#: A member that is right on so many gold items more than another has e times its say. The mean over seven public sets
#: is the same within a thousandth from 2 to 8 (bench/consensus.py prints the sweep): mildly tuned.
GOLD_TEMPERATURE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the committee says, and how much say each member had, in the order of `MEMBERS`; they sum to 1."""

    consensus: Consensus
    weights: FloatArray


def committee(votes: Votes, *, truths: IntArray | None = None, members: Sequence[Member] = MEMBERS) -> Verdict:
    """Mean posterior of the members: all alike without gold, by what they say about gold where there is some.

    A member is judged by a fit that has not been told the truths, and speaks by one that has. Nothing is chosen: with
    few gold items a choice is mostly luck, and a weight of exp(hits / temperature) moves with the evidence (the
    exponentially weighted average of Littlestone & Warmuth 1994, "The weighted majority algorithm").

    Args:
        votes: as `collect_votes` gives them.
        truths: class index per item, -1 where unknown.
        members: the aggregators.

    Cost: that of its members, twice where there is gold.
    """
    blind = [member(votes, None) for member in members]
    if truths is None or not (truths >= 0).any():
        return _mean(blind, np.full(len(blind), 1 / len(blind)))
    weights = gold_weights([fit.posterior for fit in blind], truths, GOLD_TEMPERATURE)
    return _mean([member(votes, truths) for member in members], weights)


def gold_weights(posteriors: Sequence[FloatArray], truths: IntArray, temperature: float) -> FloatArray:
    """How much say each member has: its hits on the known items, exponentiated; they sum to 1.

    Args:
        posteriors: `(n_items, n_classes)` per member, fitted without the truths.
        truths: class index per item, -1 where unknown.
        temperature: hits that make a difference of a factor e.
    """
    hits = np.array([_hits(posterior, truths) for posterior in posteriors])
    say = np.exp((hits - hits.max()) / temperature)
    weights: FloatArray = say / say.sum()
    return weights


def weighed(parts: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    """The weighted sum of arrays of one shape."""
    mixed: FloatArray = np.tensordot(weights, np.stack(parts), axes=1)
    return mixed


def _hits(posterior: FloatArray, truths: IntArray) -> float:
    """Gold items a member is right about; a tie of two is half a hit."""
    known = truths >= 0
    share, answer = posterior[known], truths[known]
    top = share >= share.max(axis=1, keepdims=True) - TIE_MARGIN
    return float((top[np.arange(len(answer)), answer] / top.sum(axis=1)).sum())


def _mean(fits: Sequence[Consensus], weights: FloatArray) -> Verdict:
    consensus = Consensus(
        algorithm=COMMITTEE,
        posterior=weighed([fit.posterior for fit in fits], weights),
        confusion=weighed([fit.confusion for fit in fits], weights),
        class_prior=weighed([fit.class_prior for fit in fits], weights),
        log_likelihood=float(weights @ [fit.log_likelihood for fit in fits]),
        iterations=max(fit.iterations for fit in fits),
        converged=all(fit.converged for fit in fits),
    )
    return Verdict(consensus=consensus, weights=weights)
