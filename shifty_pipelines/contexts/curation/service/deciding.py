"""What the labels say: agreement, consensus with per-labeler confusion, and the skills that settlement will use.

Decides datasets; never settles a mission (CONTRACTS 3), so a refit reopens nothing.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from shifty_pipelines.contexts.curation.domain.agreement import agreement_interval
from shifty_pipelines.contexts.curation.domain.consensus import Consensus, labeler_accuracy
from shifty_pipelines.contexts.curation.domain.dawid_skene import pooled_dawid_skene
from shifty_pipelines.contexts.curation.domain.decisions import MIN_POSTERIOR, MONOTONE_LABELS, Basis, Ruling, decide
from shifty_pipelines.contexts.curation.domain.votes import RawVote, VoteReport, Votes, collect_votes
from shifty_pipelines.contexts.curation.service.base import CurationUseCases

#: What an asset says of one mission type: names and plain numbers, to be plotted over time; never a value of a row.
Figures = Mapping[str, int | float]

#: A stored skill stays inside these, so that no labeler is ever certain to be right, or to be wrong.
LEAST_SKILL, MOST_SKILL = 0.01, 0.99
#: The bootstrap of alpha draws from here; the same labels give the same interval.
BOOTSTRAP_SEED = 20_260_101


class Deciding(CurationUseCases):
    """Consensus over the labels of one mission type at a time."""

    def survey_labels(self, mission_type: str) -> Figures:
        """How many labels there are, how far they agree, and what is odd about them."""
        votes, report = self._votes(mission_type)
        figures: dict[str, int | float] = {
            "items": self.repository.item_count(mission_type),
            "labels": len(votes.item_index),
            "labelled_items": votes.n_items,
            "labelers": votes.n_labelers,
            "contradicting_pairs": report.contradicting_pairs,
            "labels_outside_the_set": sum(report.unknown_labels.values()),
            "one_label_labelers": _one_label_labelers(votes),
        }
        agreement = None
        if votes.n_items:
            agreement = agreement_interval(votes.label_counts(), rng=np.random.default_rng(BOOTSTRAP_SEED))
        if agreement is not None:
            figures |= {"alpha": agreement.alpha, "alpha_low": agreement.low, "alpha_high": agreement.high}
        return figures

    def reach_consensus(self, mission_type: str) -> Figures:
        """Decide every labelled item of a mission type and refit the skills of its labelers."""
        self.repository.lock_pipeline(mission_type)
        # Counted before they are read: a label that comes in between is claimed by the next consensus, never by none.
        seen = self.repository.label_event_counts().get(mission_type, 0)
        labels = self.label_set_of(mission_type)
        cast = [found for found in self.repository.votes(mission_type) if found[0][2] in labels]
        votes, _ = collect_votes((vote for vote, _ in cast), labels)
        consensus = pooled_dawid_skene(votes) if votes.n_items else None
        rulings = self.repository.rulings(mission_type, labels)
        decisions = decide(votes, consensus, rulings)
        now = self.work.clock.now()
        changed = self.repository.put_decisions(mission_type, decisions, _lineage(cast, rulings), at=now)
        self.repository.put_reading(mission_type, seen, at=now)
        if consensus is not None:
            self.repository.put_skills(self._skills(mission_type, votes, consensus))
        posteriors = np.array([decision.posterior for decision in decisions])
        figures: dict[str, int | float] = {
            "rows": len(decisions),
            "changed": changed,
            "decided": int((posteriors >= MIN_POSTERIOR).sum()),
            "adjudicated": sum(decision.basis is Basis.ADJUDICATION for decision in decisions),
            "declared": sum(decision.basis is Basis.DECLARED for decision in decisions),
        }
        if len(decisions):
            figures["mean_posterior"] = float(posteriors.mean())
        if consensus is not None:
            skills = labeler_accuracy(consensus)
            figures |= {"rounds": consensus.iterations, "converged": int(consensus.converged)}
            figures |= {"skill_least": float(skills.min()), "skill_mean": float(skills.mean())}
        return figures

    def label_set_of(self, mission_type: str) -> Sequence[str]:
        """The labels of a mission type; none where no set was given."""
        found = self.repository.label_set(mission_type)
        return found.labels if found is not None else ()

    def _votes(self, mission_type: str) -> tuple[Votes, VoteReport]:
        return collect_votes((vote for vote, _ in self.repository.votes(mission_type)), self.label_set_of(mission_type))

    def _skills(self, mission_type: str, votes: Votes, consensus: Consensus) -> list[dict[str, Any]]:
        accuracies = np.clip(labeler_accuracy(consensus), LEAST_SKILL, MOST_SKILL)
        counts = np.bincount(votes.labeler_index, minlength=votes.n_labelers)
        now = self.work.clock.now()
        return [
            {
                "labeler_id": uuid.UUID(labeler),
                "mission_type": mission_type,
                "accuracy": float(accuracy),
                "algorithm": consensus.algorithm.name,
                "algorithm_version": consensus.algorithm.version,
                "label_count": int(count),
                "labels": list(votes.labels),
                "confusion": confusion.ravel().tolist(),
                "updated_at": now,
            }
            for labeler, accuracy, count, confusion in zip(
                votes.labelers, accuracies, counts, consensus.confusion, strict=True
            )
        ]


def _lineage(
    cast: Iterable[tuple[RawVote, uuid.UUID]], rulings: Iterable[Ruling]
) -> Mapping[uuid.UUID, Sequence[uuid.UUID]]:
    """The label events counted for each item, in order of id."""
    counted = defaultdict[uuid.UUID, set[uuid.UUID]](set)
    for (item, _, _), event_id in cast:
        counted[uuid.UUID(item)].add(event_id)
    for ruling in rulings:
        counted[ruling.item_id].add(ruling.label_event_id)
    return {item_id: sorted(event_ids) for item_id, event_ids in counted.items()}


def _one_label_labelers(votes: Votes) -> int:
    """Labelers with at least `MONOTONE_LABELS` labels, all of them the same."""
    if not votes.n_labelers:
        return 0
    cell = votes.labeler_index.astype(np.int64) * votes.n_classes + votes.label_index
    table = np.bincount(cell, minlength=votes.n_labelers * votes.n_classes).reshape(votes.n_labelers, -1)
    total = table.sum(axis=1)
    return int(((total >= MONOTONE_LABELS) & (table.max(axis=1) == total)).sum())
