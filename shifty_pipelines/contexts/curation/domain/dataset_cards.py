"""The card of a dataset version: where its rows come from and what was left out, every number computed, no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shifty_pipelines.contexts.curation.domain.datasets import CandidateRow, Waterfall, label_counts
from shifty_pipelines.contexts.curation.domain.dawid_skene import POOLED_DAWID_SKENE
from shifty_pipelines.contexts.curation.domain.splits import TARGETS
from shifty_pipelines.contexts.curation.domain.texts import TEXT_VERSION

CARD_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a version says of itself."""

    mission_type: str
    min_posterior: float
    rows: Sequence[CandidateRow]
    waterfall: Waterfall
    agreement: Mapping[str, int | float]
    replaced_identifiers: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The card as plain JSON."""
        return {
            "cardVersion": CARD_VERSION,
            "missionType": self.mission_type,
            "rows": len(self.rows),
            "labelEvents": sum(len(row.label_event_ids) for row in self.rows),
            "groups": len({row.group_id for row in self.rows}),
            "rowsBySplitAndLabel": label_counts(self.rows),
            "posterior": self._posterior(),
            "agreement": dict(self.agreement),
            "waterfall": self.waterfall.steps(len(self.rows)),
            "replacedIdentifiers": dict(self.replaced_identifiers),
            "recipe": {"minPosterior": self.min_posterior, "splitTargets": {k.value: v for k, v in TARGETS.items()}},
            "algorithms": {
                "consensus": f"{POOLED_DAWID_SKENE.name}/{POOLED_DAWID_SKENE.version}",
                "text": f"training_text/{TEXT_VERSION}",
            },
        }

    def _posterior(self) -> dict[str, float]:
        posteriors = [row.posterior for row in self.rows]
        return {"least": min(posteriors), "mean": sum(posteriors) / len(posteriors)}
