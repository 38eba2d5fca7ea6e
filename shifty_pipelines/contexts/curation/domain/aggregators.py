"""Every aggregator behind one port: votes and known truths in, a consensus out."""

from collections.abc import Mapping
from typing import Protocol

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.committee import COMMITTEE, committee
from shifty_pipelines.contexts.curation.domain.consensus import Consensus
from shifty_pipelines.contexts.curation.domain.dawid_skene import (
    DAWID_SKENE,
    POOLED_DAWID_SKENE,
    dawid_skene,
    pooled_dawid_skene,
)
from shifty_pipelines.contexts.curation.domain.ebcc import EBCC, ebcc
from shifty_pipelines.contexts.curation.domain.majority import MAJORITY, majority
from shifty_pipelines.contexts.curation.domain.one_coin import ONE_COIN, one_coin
from shifty_pipelines.contexts.curation.domain.ordinal import ORDINAL, ordinal
from shifty_pipelines.contexts.curation.domain.prototypes import PROTOTYPES, shared_prototypes
from shifty_pipelines.contexts.curation.domain.votes import Votes


class Aggregator(Protocol):
    """Decides items from what labelers said.

    Deterministic, whatever the order of the votes; an item of known truth keeps it; the posteriors of an item sum to 1.
    """

    def __call__(self, votes: Votes, *, truths: IntArray | None = None) -> Consensus:
        """The consensus on `votes`; `truths` holds a class index per item, -1 where unknown."""
        ...


def _committee(votes: Votes, *, truths: IntArray | None = None) -> Consensus:
    return committee(votes, truths=truths).consensus


AGGREGATORS: Mapping[str, Aggregator] = {
    MAJORITY.name: majority,
    ONE_COIN.name: one_coin,
    DAWID_SKENE.name: dawid_skene,
    POOLED_DAWID_SKENE.name: pooled_dawid_skene,
    EBCC.name: ebcc,
    PROTOTYPES.name: shared_prototypes,
    ORDINAL.name: ordinal,
    COMMITTEE.name: _committee,
}
