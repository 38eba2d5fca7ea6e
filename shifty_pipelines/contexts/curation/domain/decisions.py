"""What an item is, decided: an adjudication stands, then a declared source, then the crowd's consensus.

What belongs here: precedence, and which items stand for equals. What does not: the aggregators themselves.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.votes import Votes

#: From this posterior a label counts as decided, for missions (arcade) and, unless a recipe says otherwise, for rows.
MIN_POSTERIOR = 0.9
#: Labels from which a labeler who always answers the same is worth a look.
MONOTONE_LABELS = 20

ADJUDICATION = Algorithm(name="adjudication", version=1)
DECLARED = Algorithm(name="declared", version=1)


class Basis(StrEnum):
    """Who decided."""

    CONSENSUS = "consensus"
    DECLARED = "declared"
    ADJUDICATION = "adjudication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An item's label, how probable it is, how many labels it had, and who decided."""

    item_id: uuid.UUID
    label: str
    posterior: float
    label_count: int
    basis: Basis
    algorithm: Algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A label that stands above the crowd: a lead's adjudication (posterior 1) or a declared source's answer."""

    item_id: uuid.UUID
    label_event_id: uuid.UUID
    label: str
    posterior: float
    basis: Basis


class Standing(StrEnum):
    """How an item stands among its equals."""

    UNIQUE = "unique"
    DUPLICATE = "duplicate"
    CONTRADICTING = "contradicting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equal:
    """A text that may occur several times: its item, its keyed digest, and its label if decided."""

    item_id: uuid.UUID
    digest: bytes
    label: str | None


def decide(votes: Votes, consensus: Consensus | None, rulings: Iterable[Ruling]) -> list[Decision]:
    """One decision per item with a vote or a ruling, in order of item id.

    Args:
        votes: of the crowd.
        consensus: fitted on `votes`; None where there are none.
        rulings: later ones of an item replace earlier ones; an adjudication is never replaced by a declared answer.
    """
    decided: dict[uuid.UUID, Decision] = {}
    counts = votes.label_counts().sum(axis=1) if votes.n_items else []
    if consensus is not None:
        for item, shares, count in zip(votes.items, consensus.posterior, counts, strict=True):
            best = int(shares.argmax())
            item_id = uuid.UUID(item)
            decided[item_id] = Decision(
                item_id=item_id,
                label=votes.labels[best],
                posterior=min(float(shares[best]), 1.0),
                label_count=int(count),
                basis=Basis.CONSENSUS,
                algorithm=consensus.algorithm,
            )
    for ruling in rulings:
        before = decided.get(ruling.item_id)
        if before is not None and before.basis is Basis.ADJUDICATION and ruling.basis is not Basis.ADJUDICATION:
            decided[ruling.item_id] = replace(before, label_count=before.label_count + 1)
            continue
        decided[ruling.item_id] = Decision(
            item_id=ruling.item_id,
            label=ruling.label,
            posterior=ruling.posterior,
            label_count=(before.label_count if before else 0) + 1,
            basis=ruling.basis,
            algorithm=ADJUDICATION if ruling.basis is Basis.ADJUDICATION else DECLARED,
        )
    return [decided[item_id] for item_id in sorted(decided)]


def stand_for_equals(texts: Sequence[Equal]) -> Mapping[uuid.UUID, tuple[Standing, uuid.UUID | None]]:
    """How each item stands among equal texts, and which item stands for a duplicate.

    The first in the order given stands for the rest, the first that is decided before any that is not. Equals whose
    decided labels differ contradict each other, and none of them is used: which one is wrong is a person's question.
    """
    equals: defaultdict[bytes, list[Equal]] = defaultdict(list)
    for text in texts:
        equals[text.digest].append(text)
    standing: dict[uuid.UUID, tuple[Standing, uuid.UUID | None]] = {}
    for group in equals.values():
        if len({text.label for text in group if text.label is not None}) > 1:
            standing.update((text.item_id, (Standing.CONTRADICTING, None)) for text in group)
            continue
        first = next((text for text in group if text.label is not None), group[0])
        standing.update((text.item_id, (Standing.DUPLICATE, first.item_id)) for text in group if text is not first)
        standing[first.item_id] = (Standing.UNIQUE, None)
    return standing
