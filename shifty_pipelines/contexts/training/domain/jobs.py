"""A training job's states, and what it says of itself while it runs. Pure."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

#: Attempts that may die before the job is given up.
MAX_ATTEMPTS = 3
#: How long a worker is believed to live after its last word.
LEASE = timedelta(seconds=60)
#: The newest log entries a job keeps.
MAX_LOGS = 200
#: Steps between two checkpoints, where the trainer is not told otherwise.
CHECKPOINT_EVERY_STEPS = 20


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    PREPARING_DATA = "preparing_data"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: The way of a job that goes well.
PATH: Sequence[JobStatus] = (
    JobStatus.QUEUED,
    JobStatus.PROVISIONING,
    JobStatus.PREPARING_DATA,
    JobStatus.TRAINING,
    JobStatus.EVALUATING,
    JobStatus.SAVING,
    JobStatus.COMPLETED,
)
ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
RUNNING = frozenset(PATH[1:-1])


def may_become(now: JobStatus, then: JobStatus) -> bool:
    """Whether a job may go from one state to another.

    Forward one step at a time; from anywhere before the end to failed or cancelled; from a run that died to queued.
    """
    if now in ENDED:
        return False
    if then in (JobStatus.FAILED, JobStatus.CANCELLED):
        return True
    if then is JobStatus.QUEUED:
        return now in RUNNING
    return PATH.index(then) == PATH.index(now) + 1


def after_death(attempt: int) -> JobStatus:
    """Where a job goes whose run died in this attempt."""
    return JobStatus.QUEUED if attempt < MAX_ATTEMPTS else JobStatus.FAILED


class JobKind(StrEnum):
    """What is trained: adapter and frozen head compared, or the frozen head alone."""

    ADAPTER = "adapter"
    FROZEN_HEAD = "frozen_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A training as it is requested; `config` is what the caller gave, kept for the record."""

    base_model_id: uuid.UUID
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    kind: JobKind
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt's right to write to its job; a newer attempt's token makes it worthless."""

    job_id: uuid.UUID
    attempt: int
    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a job failed, in words fit for its owner."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The wire form."""
        return {"code": self.code, "message": self.message, "details": dict(self.details)}


def progress_of(message: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """A job's progress after one of the trainer's progress messages, by the names of the wire.

    A message without a step opens a phase of work; then the figures of the last step stay.
    """
    known = dict(before or {"currentEpoch": 0, "totalEpochs": 0, "currentStep": 0, "totalSteps": 0, "metrics": {}})
    known["phase"] = message["phase"]
    if "step" not in message:
        return known
    epochs_per_step = message["epoch"] / message["step"]
    known |= {
        "currentStep": message["step"],
        "totalSteps": message["totalSteps"],
        "currentEpoch": math.ceil(message["epoch"]),
        "totalEpochs": math.ceil(round(message["totalSteps"] * epochs_per_step, 6)),
        "trainingLoss": message["loss"],
        "metrics": {
            "learningRate": message["learningRate"],
            "gradientNorm": message["gradientNorm"],
            "stepS": message["stepS"],
        },
    }
    if "validationLoss" in message:
        known["validationLoss"] = message["validationLoss"]
    return known


def log_entry(at: datetime, message: Mapping[str, Any]) -> dict[str, Any]:
    """One of the trainer's log messages as a job keeps it: ids, counts and labels, never a text."""
    fields = " ".join(f"{name}={value}" for name, value in message.get("fields", {}).items())
    return {
        "timestamp": at.isoformat(),
        "level": message.get("level", "info"),
        "message": f"{message['event']} {fields}".strip()[:1000],
    }


def with_log(logs: Sequence[Mapping[str, Any]], entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The logs with one more entry, the oldest dropped beyond `MAX_LOGS`."""
    return [*logs, entry][-MAX_LOGS:]
