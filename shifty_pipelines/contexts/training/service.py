"""Use cases of training: requesting jobs, running them under a lease, ending them."""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shifty_pipelines.contexts.training.domain.hyperparameters import checked_hyperparameters
from shifty_pipelines.contexts.training.domain.jobs import (
    ENDED,
    LEASE,
    JobStatus,
    Lease,
    NewJob,
    Refusal,
    after_death,
    log_entry,
    may_become,
    progress_of,
    with_log,
)
from shifty_pipelines.contexts.training.errors import (
    JobCancelled,
    JobEnded,
    JobNotQueued,
    LeaseLost,
    WrongTransition,
)
from shifty_pipelines.contexts.training.events import (
    TrainingCancelled,
    TrainingCompleted,
    TrainingFailed,
    TrainingRequested,
)
from shifty_pipelines.contexts.training.models import TrainingCheckpoint, TrainingJob
from shifty_pipelines.contexts.training.repository import TrainingRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.kernel.work import UnitOfWork


class TrainingService:
    """Training jobs of the unit of work's tenant."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work = work
        self.repository = TrainingRepository(work.scope)

    # -------------------------------------------------------------------------------------------------------- requests

    def request(self, new: NewJob) -> TrainingJob:
        """Queue a training.

        Raises:
            HyperparameterUnknown, HyperparameterOutOfRange: see `checked_hyperparameters`.
        """
        config = {**new.config, "hyperparameters": checked_hyperparameters(new.config.get("hyperparameters") or {})}
        now = self.work.clock.now()
        job = TrainingJob(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            base_model_id=new.base_model_id,
            dataset_id=new.dataset_id,
            dataset_version_id=new.dataset_version_id,
            config=config,
            recipe={},
            kind=new.kind.value,
            status=JobStatus.QUEUED.value,
            attempt=0,
            fencing_token=0,
            logs=[],
            requested_by=self.work.actor.user_id,
            created_at=now,
            updated_at=now,
        )
        self.repository.add(job)
        self.repository.enqueue(job.id)
        self.work.audit.record("training.requested", "training_job", job.id, dataset_id=str(new.dataset_id))
        self.work.outbox.publish(TrainingRequested(job_id=job.id, dataset_id=new.dataset_id, kind=job.kind))
        return job

    def job(self, job_id: uuid.UUID) -> TrainingJob:
        """A job.

        Raises:
            NotFound: none by that id in this tenant.
        """
        job = self.repository.job(job_id)
        if job is None:
            raise NotFound("Training job")
        return job

    def jobs(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[TrainingJob]:
        """Jobs, newest first; the next page starts after the last one's `(created_at, id)`."""
        return self.repository.jobs(after=after, limit=limit)

    def queued(self) -> Sequence[TrainingJob]:
        """Jobs that wait, oldest first."""
        return self.repository.queued()

    def running(self) -> Sequence[TrainingJob]:
        """Jobs that some worker has, oldest first."""
        return self.repository.running()

    def cancel(self, job_id: uuid.UUID) -> TrainingJob:
        """Cancel a job; a running one's worker learns of it with its next word. Cancelling twice changes nothing.

        Raises:
            NotFound: no such job.
            JobEnded: it completed or failed.
        """
        job = self._locked(job_id)
        if job.status == JobStatus.CANCELLED.value:
            return job
        if JobStatus(job.status) in ENDED:
            raise JobEnded(job_id, job.status)
        self._end(job, JobStatus.CANCELLED)
        self.work.audit.record("training.cancelled", "training_job", job_id)
        self.work.outbox.publish(TrainingCancelled(job_id=job_id))
        return job

    # ------------------------------------------------------------------------------------------------- under the lease

    def take(self, job_id: uuid.UUID, worker: ProcessIdentity) -> Lease:
        """Begin an attempt; of two workers that try, one gets it.

        Raises:
            NotFound: no such job.
            JobNotQueued: it runs elsewhere, or has ended.
        """
        job = self._locked(job_id)
        if job.status != JobStatus.QUEUED.value:
            raise JobNotQueued(job_id, job.status)
        now = self.work.clock.now()
        job.attempt += 1
        job.fencing_token += 1
        job.worker, job.trainer = dataclasses.asdict(worker), None
        job.started_at = job.started_at or now
        self._go(job, JobStatus.PROVISIONING)
        return Lease(job_id, job.attempt, job.fencing_token)

    def advance(self, lease: Lease, status: JobStatus) -> TrainingJob:
        """Go on to the next state.

        Raises:
            LeaseLost, JobCancelled: the attempt must stop.
            WrongTransition: the state does not follow.
        """
        job = self._leased(lease)
        self._go(job, status)
        return job

    def renew(self, lease: Lease) -> None:
        """Say that the worker lives.

        Raises:
            LeaseLost, JobCancelled: the attempt must stop.
        """
        self._touch(self._leased(lease))

    def record_trainer(self, lease: Lease, trainer: ProcessIdentity) -> None:
        """Keep which process trains, so that a reaper ends that one and no other."""
        job = self._leased(lease)
        job.trainer = dataclasses.asdict(trainer)
        self._touch(job)

    def record_recipe(self, lease: Lease, recipe: Mapping[str, Any]) -> None:
        """Keep the numbers that the trainer actually uses."""
        job = self._leased(lease)
        job.recipe = dict(recipe)
        self._touch(job)

    def report_progress(self, lease: Lease, message: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what a progress message of the trainer says; the job's progress after it."""
        job = self._leased(lease)
        job.progress = progress_of(message, job.progress)
        self._touch(job)
        return job.progress

    def report_log(self, lease: Lease, message: Mapping[str, Any]) -> None:
        """Keep a log message of the trainer."""
        job = self._leased(lease)
        job.logs = with_log(job.logs, log_entry(self.work.clock.now(), message))
        self._touch(job)

    def record_checkpoint(
        self, lease: Lease, *, step: int, data_asset_id: uuid.UUID, key_slot: int, manifest_sha256: str
    ) -> None:
        """Keep where a verified checkpoint lies."""
        self._touch(self._leased(lease))
        self.repository.add(
            TrainingCheckpoint(
                tenant_id=self.work.tenant_id,
                id=self.work.ids.new(),
                job_id=lease.job_id,
                attempt=lease.attempt,
                step=step,
                data_asset_id=data_asset_id,
                key_slot=key_slot,
                manifest_sha256=manifest_sha256,
                created_at=self.work.clock.now(),
            )
        )

    def newest_checkpoint(self, job_id: uuid.UUID) -> TrainingCheckpoint | None:
        """The job's furthest checkpoint, if it has one."""
        return self.repository.newest_checkpoint(job_id)

    def complete(self, lease: Lease, *, model_id: uuid.UUID, version: int) -> TrainingJob:
        """End a job that made a version.

        Raises:
            LeaseLost, JobCancelled: its result is refused.
        """
        job = self._leased(lease)
        job.output_model_id, job.output_version = model_id, version
        self._end(job, JobStatus.COMPLETED)
        self.work.audit.record("training.completed", "training_job", job.id, version=version)
        self.work.outbox.publish(TrainingCompleted(job_id=job.id, model_id=model_id, version=version))
        return job

    def fail(self, lease: Lease, refusal: Refusal) -> TrainingJob:
        """End a job for a reason that another attempt would meet again.

        Raises:
            LeaseLost, JobCancelled: somebody else decides about the job.
        """
        job = self._leased(lease)
        self._fail(job, refusal)
        return job

    def give_up_attempt(self, lease: Lease, refusal: Refusal) -> TrainingJob:
        """End an attempt for a reason that another attempt may not meet: queue the job again, or fail it by its count.

        Raises:
            LeaseLost, JobCancelled: somebody else decides about the job.
        """
        job = self._leased(lease)
        self._bury(job, refusal)
        return job

    # ------------------------------------------------------------------------------------------------------ the dead

    def bury_attempt(self, job_id: uuid.UUID, fencing_token: int, refusal: Refusal) -> TrainingJob:
        """What `give_up_attempt` does, for an attempt whose worker is gone; nothing if it is not the present one."""
        job = self._locked(job_id)
        if job.fencing_token == fencing_token and JobStatus(job.status) not in {*ENDED, JobStatus.QUEUED}:
            self._bury(job, refusal)
        return job

    def count_failed_start(self, job_id: uuid.UUID, attempt: int, refusal: Refusal) -> TrainingJob:
        """A run meant for this attempt died before it took the job: count it, so that the next one has its own name."""
        job = self._locked(job_id)
        if job.status == JobStatus.QUEUED.value and job.attempt + 1 == attempt:
            job.attempt += 1
            job.fencing_token += 1
            if after_death(job.attempt) is JobStatus.FAILED:
                self._fail(job, refusal)
            else:
                self.repository.enqueue(job_id)
        return job

    # ----------------------------------------------------------------------------------------------------------- steps

    def _locked(self, job_id: uuid.UUID) -> TrainingJob:
        job = self.repository.lock_job(job_id)
        if job is None:
            raise NotFound("Training job")
        return job

    def _leased(self, lease: Lease) -> TrainingJob:
        job = self._locked(lease.job_id)
        if job.fencing_token != lease.fencing_token:
            raise LeaseLost(lease.job_id, given=lease.fencing_token, present=job.fencing_token)
        if job.status == JobStatus.CANCELLED.value:
            raise JobCancelled(lease.job_id)
        if JobStatus(job.status) in ENDED or job.status == JobStatus.QUEUED.value:
            raise LeaseLost(lease.job_id, given=lease.fencing_token, present=job.fencing_token)
        return job

    def _go(self, job: TrainingJob, status: JobStatus) -> None:
        if not may_become(JobStatus(job.status), status):
            raise WrongTransition(job.id, job.status, status.value)
        job.status = status.value
        self._touch(job)

    def _touch(self, job: TrainingJob) -> None:
        now = self.work.clock.now()
        job.updated_at = now
        job.lease_until = now + LEASE

    def _end(self, job: TrainingJob, status: JobStatus) -> None:
        self._go(job, status)
        job.completed_at, job.lease_until = self.work.clock.now(), None

    def _fail(self, job: TrainingJob, refusal: Refusal) -> None:
        job.refusal = refusal.as_json()
        entry = {"timestamp": self.work.clock.now().isoformat(), "level": "error", "message": refusal.message[:1000]}
        job.logs = with_log(job.logs, entry)
        self._end(job, JobStatus.FAILED)
        self.work.audit.record("training.failed", "training_job", job.id, code=refusal.code)
        self.work.outbox.publish(TrainingFailed(job_id=job.id, code=refusal.code))

    def _bury(self, job: TrainingJob, refusal: Refusal) -> None:
        if after_death(job.attempt) is JobStatus.FAILED:
            self._fail(job, refusal)
            return
        self._go(job, JobStatus.QUEUED)
        job.lease_until = job.worker = job.trainer = None
        entry = {"timestamp": self.work.clock.now().isoformat(), "level": "warning", "message": refusal.message[:1000]}
        job.logs = with_log(job.logs, entry)
        self.repository.enqueue(job.id)
