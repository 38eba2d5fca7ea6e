"""Looking after training jobs from outside: which wait for a run, which lost theirs, and what dead runs left behind."""

import platform
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shifty_pipelines.contexts.training.domain.jobs import JobStatus, Refusal
from shifty_pipelines.contexts.training.models import TrainingJob
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.process_groups import kill_group
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.kernel.tenant import TenantId, system_actor

CLAIM_LIMIT = 50
#: A request is asked for again after this, in case the first asking was lost; its run key makes the second harmless.
ASK_AGAIN_S = 60

WORKER_GONE = Refusal(
    code="training.worker_died", message="The process that ran this training is gone; its trainer was ended."
)
NEVER_STARTED = Refusal(
    code="training.never_started", message="The run meant for this training failed before it began; see Dagster."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTraining:
    """A queued job that needs a run; `attempt` is the number that run will have."""

    tenant_id: TenantId
    job_id: uuid.UUID
    attempt: int


@dataclass(slots=True, kw_only=True)
class Reaped:
    """What a round of the reaper did."""

    jobs: int = 0
    trainers: int = 0
    directories: int = 0


def due_trainings(workshop: Workshop) -> list[DueTraining]:
    """Jobs to ask a run for; those that no longer wait leave the queue."""
    queue = workshop.training_queue
    due: list[DueTraining] = []
    finished: list[uuid.UUID] = []
    for work in queue.claim(limit=CLAIM_LIMIT, lease_s=ASK_AGAIN_S):
        job = _find(workshop, work.tenant_id, work.work_id)
        if job is not None and job.status == JobStatus.QUEUED.value:
            due.append(DueTraining(tenant_id=work.tenant_id, job_id=job.id, attempt=job.attempt + 1))
        else:
            finished.append(work.work_id)
    queue.settle(finished=finished, deferred_s={training.job_id: float(ASK_AGAIN_S) for training in due})
    return due


def count_failed_run(workshop: Workshop, due: DueTraining) -> None:
    """A run that was asked for failed: if it never took its job, that counts as an attempt."""
    with workshop.open(system_actor(due.tenant_id)) as services:
        services.training.count_failed_start(due.job_id, due.attempt, NEVER_STARTED)


def reap(workshop: Workshop) -> Reaped:
    """End what dead workers of this machine left: their trainers, their attempts, their directories.

    Attempts of other machines are given up only once their lease has run out.
    """
    reaped = Reaped()
    for tenant_id in workshop.training_queue.active_tenants():
        with workshop.open(system_actor(tenant_id)) as services:
            abandoned = [job for job in services.training.running() if _is_abandoned(job, workshop.clock.now())]
        for job in abandoned:
            reaped.trainers += _kill_trainer(job.trainer)
            with workshop.open(system_actor(tenant_id)) as services:
                services.training.bury_attempt(job.id, job.fencing_token, WORKER_GONE)
            reaped.jobs += 1
    reaped.directories = len(workshop.runs.sweep())
    return reaped


def _find(workshop: Workshop, tenant_id: TenantId, job_id: uuid.UUID) -> TrainingJob | None:
    try:
        with workshop.open(system_actor(tenant_id)) as services:
            return services.training.job(job_id)
    except NotFound:
        return None


def _is_abandoned(job: TrainingJob, now: datetime) -> bool:
    worker = ProcessIdentity(**job.worker) if job.worker else None
    if worker is not None and worker.host == platform.node():
        return not worker.is_alive()
    return job.lease_until is None or job.lease_until < now


def _kill_trainer(trainer: dict[str, Any] | None) -> bool:
    return trainer is not None and kill_group(ProcessIdentity(**trainer))
