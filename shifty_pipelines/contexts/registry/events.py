"""What happened in the registry."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRegistered(Event):
    """Training added a version to a model."""

    type: ClassVar[str] = "registry.version_registered"
    model_id: uuid.UUID
    version: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequested(Event):
    """Somebody wants a version measured on the frozen test split."""

    type: ClassVar[str] = "registry.evaluation_requested"
    evaluation_id: uuid.UUID
    model_id: uuid.UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCompleted(Event):
    """A version has a verdict."""

    type: ClassVar[str] = "registry.evaluation_completed"
    evaluation_id: uuid.UUID
    model_id: uuid.UUID
    version: int
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingMoved(Event):
    """Another version serves from now on."""

    type: ClassVar[str] = "registry.serving_moved"
    model_id: uuid.UUID
    action: str
    from_version: int | None
    to_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDeployed(Event):
    """A model answers on an instance."""

    type: ClassVar[str] = "registry.model_deployed"
    model_id: uuid.UUID
    version: int
    target: str
