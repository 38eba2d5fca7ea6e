"""Bodies of curation on the wire."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

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


class AddDatasetBody(RequestBody):
    """A recipe to name; its rules are checked by `Recipe`."""

    name: Annotated[str, Field(max_length=1000)]
    mission_type: Annotated[str, Field(max_length=100)]
    description: Annotated[str, Field(max_length=100_000)] = ""
    min_posterior: float = MIN_POSTERIOR
    train_after_new_labels: Annotated[int, Field(lt=2**31)] | None = None

    def recipe(self) -> Recipe:
        """The recipe.

        Raises:
            InvalidDataset: a value out of its range, with the range.
        """
        return Recipe(
            mission_type=self.mission_type,
            name=self.name,
            description=self.description,
            min_posterior=self.min_posterior,
            train_after_new_labels=self.train_after_new_labels,
        )


class DatasetVersionOut(WireModel):
    """One immutable version: its name is a keyed hash over its rows; `card` says where they come from."""

    id: uuid.UUID
    dataset_id: uuid.UUID
    version: str
    status: str
    labels: list[str]
    row_count: int
    data_asset_id: uuid.UUID
    card: dict[str, Any]
    created_at: datetime


class DatasetOut(WireModel):
    """A dataset; `sampleCount`, `qualityScore` (mean posterior of its rows) and `status` are its current version's."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    name: str
    description: str
    mission_type: str
    min_posterior: float
    train_after_new_labels: int | None
    status: Literal["collecting", "ready"] = "collecting"
    sample_count: int = 0
    quality_score: float | None = None
    created_at: datetime
    updated_at: datetime = Field(validation_alias="created_at")

    @classmethod
    def of(cls, dataset: object, current: DatasetVersionOut | None) -> "DatasetOut":
        """A dataset's body with where it stands."""
        body = cls.model_validate(dataset)
        if current is not None:
            body.status = "ready"
            body.sample_count, body.updated_at = current.row_count, current.created_at
            body.quality_score = current.card["posterior"]["mean"]
        return body


class DatasetDetailOut(DatasetOut):
    """A dataset with its current version."""

    current_version: DatasetVersionOut | None = None

    @classmethod
    def of(cls, dataset: object, current: DatasetVersionOut | None) -> "DatasetDetailOut":
        """Everything about a dataset."""
        body = super().of(dataset, current)
        assert isinstance(body, cls)  # noqa: S101  # `of` builds what it is called on
        body.current_version = current
        return body


class DatasetRowOut(WireModel):
    """One row of a version without its text: its label, and the label events that made it."""

    row_id: uuid.UUID = Field(validation_alias="item_id")
    label: str
    split: str
    posterior: float
    label_event_ids: list[uuid.UUID]
