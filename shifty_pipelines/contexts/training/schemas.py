"""Bodies of training on the wire."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from shifty_pipelines.contexts.training.domain.jobs import JobKind, JobStatus
from shifty_pipelines.kernel.wire import RequestBody, WireModel


class RequestTrainingBody(RequestBody):
    """A training; what is left out means the measured recipe on the packaged base model."""

    base_model_id: uuid.UUID | None = None
    dataset_id: uuid.UUID
    kind: JobKind = JobKind.ADAPTER
    #: Checked by the domain, whose refusal names the range.
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    evaluation_strategy: Literal["steps", "epoch"] = "epoch"
    save_strategy: Literal["steps", "epoch", "best"] = "best"
    max_gpu_memory: Annotated[float, Field(gt=0)] | None = None
    #: Train on permuted labels, to see that the gate refuses what learnt nothing; such a version is never promoted.
    control: Literal["permuted_labels"] | None = None

    def config(self) -> dict[str, Any]:
        """What the caller gave, for the record."""
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None and name != "kind"}


class TrainingJobSummaryBody(WireModel):
    """A training job without its logs."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    base_model_id: uuid.UUID
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    kind: JobKind
    config: dict[str, Any]
    status: JobStatus
    attempt: int
    progress: dict[str, Any] | None
    output_model_id: uuid.UUID | None
    output_version: int | None
    refusal: dict[str, Any] | None
    requested_by: uuid.UUID | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TrainingJobBody(TrainingJobSummaryBody):
    """A training job; `recipe` holds the numbers actually used."""

    recipe: dict[str, Any]
    logs: list[dict[str, Any]]
