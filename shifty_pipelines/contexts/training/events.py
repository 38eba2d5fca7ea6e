"""What happened in training."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequested(Event):
    """A job is queued."""

    type: ClassVar[str] = "training.requested"
    job_id: uuid.UUID
    dataset_id: uuid.UUID
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCompleted(Event):
    """A job made a version."""

    type: ClassVar[str] = "training.completed"
    job_id: uuid.UUID
    model_id: uuid.UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFailed(Event):
    """A job was given up."""

    type: ClassVar[str] = "training.failed"
    job_id: uuid.UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCancelled(Event):
    """Somebody cancelled a job."""

    type: ClassVar[str] = "training.cancelled"
    job_id: uuid.UUID
