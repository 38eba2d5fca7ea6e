"""Bodies of curation on the wire."""

import uuid
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from shifty_pipelines.contexts.curation.domain.datasets import Recipe
from shifty_pipelines.contexts.curation.domain.decisions import MIN_POSTERIOR
from shifty_pipelines.kernel.wire import RequestBody, WireModel


class LabelsBody(RequestBody):
    """The labels of one mission type; their rules are checked by the service."""

    labels: Annotated[list[str], Field(max_length=1000)]


class LabelsOut(WireModel):
    """The labels that answers of one mission type are chosen from."""

    mission_type: str
    labels: list[str]


class CreateDatasetBody(RequestBody):
    """A recipe over one mission type; values are checked by the domain, whose refusal names the range."""

    name: str
    mission_type: str
    description: str = ""
    min_posterior: float = MIN_POSTERIOR
    train_after_new_labels: int | None = None

    def recipe(self) -> Recipe:
        """The recipe in curation's words."""
        return Recipe(**self.model_dump())


class DatasetVersionOut(WireModel):
    """One version of a dataset, with its card."""

    id: uuid.UUID
    dataset_id: uuid.UUID
    version: str
    status: str
    labels: list[str]
    row_count: int
    data_asset_id: uuid.UUID
    card: dict[str, Any]
    created_at: AwareDatetime


class DatasetOut(WireModel):
    """A dataset."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    name: str
    mission_type: str
    description: str
    min_posterior: float
    train_after_new_labels: int | None
    created_by: uuid.UUID | None
    created_at: AwareDatetime


class DatasetDetailOut(DatasetOut):
    """A dataset with the version it stands at; null until it is materialised."""

    current_version: DatasetVersionOut | None = None


class DatasetRowOut(WireModel):
    """A row of a version, without its text: what it is, and the labels that say so."""

    item_id: uuid.UUID
    label: str
    split: str
    posterior: float
    label_event_ids: list[uuid.UUID]
