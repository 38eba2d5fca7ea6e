"""Bodies of the registry on the wire."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, computed_field

from shifty_pipelines.contexts.registry.domain.aliases import AliasAction, AliasMove
from shifty_pipelines.contexts.registry.domain.gate import Verdict
from shifty_pipelines.contexts.registry.domain.models import (
    EvaluationStatus,
    EvaluationType,
    ModelKind,
    ModelSource,
    ModelStatus,
    NewModel,
    Standing,
)
from shifty_pipelines.kernel.wire import RequestBody, WireModel

Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
VersionNumber = Annotated[int, Field(ge=1, lt=2**31)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class ModelConfigBody(RequestBody):
    """How a generating model answers; classifiers take no notice of it."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=32768)] = 2048
    top_p: Annotated[float, Field(ge=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=1, le=100)] = 40
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] = 1.1
    context_window: Annotated[int, Field(ge=512, le=128000)] = 4096


class RegisterModelBody(RequestBody):
    """A base model to register."""

    name: Name
    source: ModelSource
    source_id: Name
    version: Name = "1.0.0"
    config: ModelConfigBody = Field(default_factory=ModelConfigBody)

    def model(self) -> NewModel:
        """The model."""
        return NewModel(
            name=self.name,
            source=self.source,
            source_id=self.source_id,
            version=self.version,
            config=self.config.model_dump(by_alias=True),
        )


class ModelBody(WireModel):
    """A base model or a trained line."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    name: str
    source: ModelSource
    source_id: str
    version: str
    status: ModelStatus
    config: dict[str, Any]
    metadata: dict[str, Any] = Field(validation_alias="model_metadata")
    mission_type: str | None
    base_model_id: uuid.UUID | None
    latest_version: int
    serving_version: int | None = None
    deployed_instance_id: str | None = None
    deployed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, model: object, standing: Standing | None) -> "ModelBody":
        """A model's body with where it stands."""
        body = cls.model_validate(model)
        if standing is not None:
            body.serving_version, body.deployed_at = standing.serving_version, standing.deployed_at
        if body.deployed_at is not None:
            body.status, body.deployed_instance_id = ModelStatus.DEPLOYED, "local"
        return body


class ModelVersionBody(WireModel):
    """One trained version with its lineage."""

    id: uuid.UUID
    version: int
    kind: ModelKind
    labels: list[str]
    data_asset_id: uuid.UUID
    manifest_sha256: str
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    training_job_id: uuid.UUID
    metrics: dict[str, Any]
    status: str
    created_at: datetime


class AliasMoveBody(WireModel):
    """One move of the alias that predictions follow."""

    number: int
    action: AliasAction
    from_version: int | None
    to_version: int
    actor_id: uuid.UUID | None
    reason: str | None
    at: datetime


class ModelDetailBody(ModelBody):
    """A model with its versions and how the serving one came to serve."""

    versions: list[ModelVersionBody] = Field(default_factory=list)
    history: list[AliasMoveBody] = Field(default_factory=list)

    @classmethod
    def whole(
        cls, model: object, standing: Standing | None, versions: Sequence[object], moves: Sequence[AliasMove]
    ) -> "ModelDetailBody":
        """Everything about a model."""
        body = cls.of(model, standing)
        assert isinstance(body, cls)  # noqa: S101  # `of` builds what it is called on
        body.versions = [ModelVersionBody.model_validate(version) for version in versions]
        body.history = [AliasMoveBody.model_validate(move) for move in moves]
        return body


class ClaimedMetrics(RequestBody):
    """What a caller says a version is worth; shown beside ours, used by no gate."""

    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1_score: float | None = None
    bleu_score: float | None = None
    rouge_score: float | None = None
    perplexity: float | None = None
    custom_metrics: Annotated[dict[MetricName, float], Field(max_length=100, default_factory=dict)]

    def given(self) -> dict[str, Any]:
        """Those that were given."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


class EvaluateBody(RequestBody):
    """Which version to measure; without a number the newest."""

    evaluation_type: EvaluationType = EvaluationType.AUTOMATED
    version: VersionNumber | None = None
    metrics: ClaimedMetrics | None = None


class EvaluationBody(WireModel):
    """A measurement; `metrics` are ours, `claimedMetrics` the caller's."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    model_id: uuid.UUID
    version: int
    evaluation_type: EvaluationType = Field(validation_alias="type")
    status: EvaluationStatus
    metrics: dict[str, Any]
    claimed_metrics: dict[str, Any] | None
    verdict: Verdict | None
    incumbent_version: int | None
    details: dict[str, Any]
    created_by: uuid.UUID | None
    created_at: datetime
    completed_at: datetime | None


class DeployBody(RequestBody):
    """Where a model shall answer."""

    instance_id: Name = "local"


class DeploymentBody(WireModel):
    """Where a model answers."""

    id: uuid.UUID
    model_id: uuid.UUID
    version: int
    instance_id: str = Field(validation_alias="target")
    status: str
    created_at: datetime

    @computed_field
    def endpoint(self) -> str:
        """Where to ask it."""
        return f"/api/v1/models/{self.model_id}/predictions"


class PromoteBody(RequestBody):
    """Which version shall serve; a reason where the gate was inconclusive."""

    version: VersionNumber
    reason: Reason | None = None


class RollbackBody(RequestBody):
    """Why the last promotion is undone."""

    reason: Reason | None = None
