"""All SQL of training."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text, tuple_

from shifty_pipelines.contexts.training.domain.jobs import RUNNING, JobStatus
from shifty_pipelines.contexts.training.models import TrainingCheckpoint, TrainingJob
from shifty_pipelines.kernel.repository import ScopedRepository


class TrainingRepository(ScopedRepository):
    """Training jobs of one tenant."""

    def job(self, job_id: uuid.UUID) -> TrainingJob | None:
        """A job by id."""
        return self.find(TrainingJob, job_id)

    def lock_job(self, job_id: uuid.UUID) -> TrainingJob | None:
        """A job by id, locked."""
        return self.find_locked(TrainingJob, job_id)

    def jobs(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[TrainingJob]:
        """Jobs, newest first."""
        statement = self.scoped(TrainingJob).order_by(TrainingJob.created_at.desc(), TrainingJob.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(TrainingJob.created_at, TrainingJob.id) < tuple_(*after))
        return self.session.scalars(statement).all()

    def queued(self) -> Sequence[TrainingJob]:
        """Jobs that wait, oldest first."""
        return self._in_states({JobStatus.QUEUED})

    def running(self) -> Sequence[TrainingJob]:
        """Jobs that some worker has, oldest first."""
        return self._in_states(RUNNING)

    def enqueue(self, job_id: uuid.UUID) -> None:
        """Let the sensor know of a job; ids and tenant only."""
        self.session.execute(text("SELECT platform.enqueue('training', :id)"), {"id": job_id})

    def newest_checkpoint(self, job_id: uuid.UUID) -> TrainingCheckpoint | None:
        """The job's furthest checkpoint, of whatever attempt."""
        return self.session.scalar(
            self.scoped(TrainingCheckpoint)
            .where(TrainingCheckpoint.job_id == job_id)
            .order_by(TrainingCheckpoint.step.desc(), TrainingCheckpoint.attempt.desc())
            .limit(1)
        )

    def _in_states(self, states: frozenset[JobStatus] | set[JobStatus]) -> Sequence[TrainingJob]:
        statement = self.scoped(TrainingJob).where(TrainingJob.status.in_([state.value for state in states]))
        return self.session.scalars(statement.order_by(TrainingJob.created_at, TrainingJob.id)).all()
