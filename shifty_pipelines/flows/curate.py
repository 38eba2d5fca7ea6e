"""From labels to placed rows, step by step for every mission type of a tenant that may go on.

Each step and each check is a unit of work per mission type, in order of name: a type that fails stops itself and nobody
else, and its previous dataset stays current. Between two of them another run may make rows anew, so each asks again,
under the mission type's lock, whether the type may go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shifty_pipelines.contexts.curation.expectations import SUITES, Expectation, Verdict
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.contexts.curation.service.deciding import Figures
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.tenant import TenantId, system_actor

STEPS: Mapping[str, Callable[[CurationService, str], Figures]] = {
    "labels": CurationService.survey_labels,
    "consensus_labels": CurationService.reach_consensus,
    "scrubbed_items": CurationService.scrub_texts,
    "unique_items": CurationService.group_items,
    "splits": CurationService.place_items,
}

#: Row ids shown with a failed check; the stored verdict names as many.
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """One expectation over all mission types that it was asked about.

    Attributes:
        stops_everything: no mission type may go on, so nothing after this asset has anything to do.
    """

    expectation: Expectation
    verdicts: Mapping[str, Verdict]
    stops_everything: bool

    @property
    def passed(self) -> bool:
        """Whether it holds for every mission type."""
        return all(verdict.passed for verdict in self.verdicts.values())

    def figures(self) -> dict[str, Any]:
        """Counts and row ids per mission type, never a value."""
        told: dict[str, Any] = {}
        for mission_type, verdict in self.verdicts.items():
            told[f"rows/{mission_type}"] = verdict.row_count
            told[f"failing/{mission_type}"] = verdict.failing_count
            if verdict.offenders:
                told[f"{self.expectation.ids_name}/{mission_type}"] = [
                    str(item_id) for item_id in verdict.offenders[:SHOWN]
                ]
        return told


def run_step(workshop: Workshop, tenant_id: TenantId, asset: str) -> Mapping[str, Figures]:
    """Make an asset anew for every mission type that may go on; what each says of itself.

    Raises:
        NothingToCurate: none may.
    """
    actor = system_actor(tenant_id)
    figures: dict[str, Figures] = {}
    for mission_type in types_for(workshop, tenant_id, asset):
        with workshop.open(actor) as services:
            if not services.curation.may_go_on(asset, mission_type):
                continue  # another run has made rows before this asset anew; what follows of them is its own to make
            services.curation.begin(asset, mission_type)
            figures[mission_type] = STEPS[asset](services.curation, mission_type)
    return figures


def check_step(workshop: Workshop, tenant_id: TenantId, asset: str) -> Sequence[CheckReport]:
    """Judge an asset's rows for every mission type that came this far; one report per expectation of its suite.

    Raises:
        NothingToCurate: none came this far.
    """
    actor = system_actor(tenant_id)
    judged: dict[str, Sequence[Verdict]] = {}
    for mission_type in types_for(workshop, tenant_id, asset):
        with workshop.open(actor) as services:
            judged[mission_type] = services.curation.check(asset, mission_type)
    is_over = all(any(verdict.stops for verdict in verdicts) for verdicts in judged.values())
    return [
        CheckReport(
            expectation=expectation,
            verdicts={mission_type: verdicts[place] for mission_type, verdicts in judged.items()},
            stops_everything=is_over,
        )
        for place, expectation in enumerate(SUITES[asset])
    ]


def types_for(workshop: Workshop, tenant_id: TenantId, asset: str) -> Sequence[str]:
    """Mission types that passed everything before `asset`.

    Raises:
        NothingToCurate: there is none.
    """
    with workshop.open(system_actor(tenant_id)) as services:
        return services.curation.types_for(asset)
