"""Looking after curation from outside: which tenants have enough new labels, and which new versions want a training."""

from collections.abc import Sequence
from dataclasses import dataclass

from shifty_pipelines.flows.request_training import request_training
from shifty_pipelines.flows.training_data import DatasetSource
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCuration:
    """A tenant whose labels of one mission type crossed this threshold once more; `crossing` counts the times."""

    tenant_id: TenantId
    mission_type: str
    threshold: int
    crossing: int


def due_curations(workshop: Workshop) -> Sequence[DueCuration]:
    """Every tenant and mission type that has crossed its threshold at least once, each at its latest crossing.

    Counts label events ever written, which only grow, so a crossing is passed once and its run key needs no memory.
    Costs one counting query a tenant.
    """
    due: list[DueCuration] = []
    for tenant_id in workshop.training_queue.active_tenants():
        with workshop.open(system_actor(tenant_id)) as services:
            backlog = services.curation.label_backlog()
        due += [
            DueCuration(
                tenant_id=tenant_id, mission_type=mission_type, threshold=threshold, crossing=count // threshold
            )
            for mission_type, (count, threshold) in sorted(backlog.items())
            if count >= threshold
        ]
    return due


def tenants_with_labels(workshop: Workshop) -> Sequence[TenantId]:
    """Active tenants that have labels of a mission type with a label set, by age."""
    found: list[TenantId] = []
    for tenant_id in workshop.training_queue.active_tenants():
        with workshop.open(system_actor(tenant_id)) as services:
            if services.curation.open_types("labels"):
                found.append(tenant_id)
    return found


def train_on_published(services: Services, datasets: DatasetSource, event: DeliveredEvent) -> None:
    """React to `DatasetPublished`: request a training if the version has enough labels that are new; once."""
    if services.curation.claim_training(event.uuid_of("dataset_version_id")):
        request_training(services, datasets, event.uuid_of("dataset_id"))


def request_due_trainings(workshop: Workshop, tenant_id: TenantId) -> int:
    """Do for every current version what `train_on_published` does for a new one; how many trainings that requested."""
    with workshop.open(system_actor(tenant_id)) as services:
        due = [
            version.dataset_id
            for version in services.curation.every_current_version()
            if services.curation.claim_training(version.id)
        ]
        for dataset_id in due:
            request_training(services, workshop.datasets, dataset_id)
    return len(due)
