"""Training jobs on a real database: leases, fencing, cancelling, attempts that die."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from shifty_pipelines.contexts.training.domain.jobs import LEASE, JobKind, JobStatus, Lease, NewJob, Refusal
from shifty_pipelines.contexts.training.errors import (
    HyperparameterOutOfRange,
    JobCancelled,
    JobEnded,
    JobNotQueued,
    LeaseLost,
    WrongTransition,
)
from shifty_pipelines.contexts.training.models import TrainingJob
from shifty_pipelines.contexts.training.service import TrainingService
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.kernel.work import begin_work
from shifty_pipelines.kernel.work_queue import WorkQueue

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKER = ProcessIdentity(host="h", boot_id="b", pid=1, started_at_s=0.0)
GONE = Refusal(code="training.worker_died", message="The worker died.")


@dataclass
class Office:
    """Where jobs are kept."""

    database: Database
    tenant_id: TenantId
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))

    @contextmanager
    def open(self, tenant_id: TenantId | None = None) -> Iterator[TrainingService]:
        tenant = tenant_id or self.tenant_id
        with self.database.tenant_transaction(tenant) as scope:
            yield TrainingService(begin_work(scope, system_actor(tenant), self.clock, RandomIds()))

    def request(self, **config: object) -> uuid.UUID:
        with self.open() as training:
            return training.request(new_job(**config)).id

    def take(self, job_id: uuid.UUID) -> Lease:
        with self.open() as training:
            return training.take(job_id, WORKER)

    def read(self, job_id: uuid.UUID) -> TrainingJob:
        with self.open() as training:
            return training.job(job_id)


def new_job(**config: object) -> NewJob:
    ids = [uuid.uuid4() for _ in range(3)]
    return NewJob(
        base_model_id=ids[0], dataset_id=ids[1], dataset_version_id=ids[2], kind=JobKind.ADAPTER, config=config
    )


@pytest.fixture
def office(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> Office:
    return Office(app_database, TenantId(new_tenant()))


def queue(worker_database: Database) -> set[uuid.UUID]:
    """What the sensor would be given now."""
    with worker_database.platform_transaction() as session:
        claimed = session.execute(
            text("SELECT work_id FROM platform.claim_work('training', '{}', '{}', '{}', 1000, 0)")
        ).all()
    return {row.work_id for row in claimed}


def test_a_request_is_queued_for_the_sensor_in_the_same_transaction(office: Office, worker_database: Database) -> None:
    job_id = office.request(hyperparameters={"epochs": 3})
    job = office.read(job_id)
    assert (job.status, job.attempt, job.config) == ("queued", 0, {"hyperparameters": {"epochs": 3}})
    assert job_id in queue(worker_database)
    with pytest.raises(HyperparameterOutOfRange):
        office.request(hyperparameters={"epochs": 0})


def test_of_many_workers_one_takes_the_job(office: Office) -> None:
    job_id = office.request()
    leases: list[Lease] = []

    def try_to_take() -> None:
        with suppress(JobNotQueued):
            leases.append(office.take(job_id))

    threads = [threading.Thread(target=try_to_take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leases == [Lease(job_id, 1, 1)]
    job = office.read(job_id)
    assert (job.status, job.started_at, job.lease_until) == ("provisioning", NOON, NOON + LEASE)
    assert job.worker == {"host": "h", "boot_id": "b", "pid": 1, "started_at_s": 0.0}


def test_a_dead_attempts_words_are_refused_once_another_has_begun(office: Office, worker_database: Database) -> None:
    job_id = office.request()
    old = office.take(job_id)
    with office.open() as training:
        training.bury_attempt(job_id, old.fencing_token, GONE)
    assert office.read(job_id).status == "queued"
    with pytest.raises(LeaseLost), office.open() as training:
        training.renew(old)
    new = office.take(job_id)
    for report in (
        lambda training: training.report_progress(old, {"phase": "loading"}),
        lambda training: training.report_log(old, {"event": "x"}),
        lambda training: training.advance(old, JobStatus.PREPARING_DATA),
        lambda training: training.complete(old, model_id=uuid.uuid4(), version=1),
        lambda training: training.fail(old, GONE),
        lambda training: training.record_checkpoint(
            old, step=1, data_asset_id=uuid.uuid4(), key_slot=0, manifest_sha256="0"
        ),
    ):
        with pytest.raises(LeaseLost, match="token 2; results with token 1"), office.open() as training:
            report(training)
    with office.open() as training:
        training.report_progress(new, {"phase": "loading"})
        # A late reaper of the old attempt leaves the new one alone.
        training.bury_attempt(job_id, old.fencing_token, GONE)
    assert office.read(job_id).progress["phase"] == "loading"  # type: ignore[index]


def test_a_job_whose_attempt_dies_while_the_sensor_looks_is_due_at_once_and_not_forgotten(
    office: Office, worker_database: Database
) -> None:
    waiting = WorkQueue(worker_database, "training")

    def due() -> set[uuid.UUID]:
        return {work.work_id for work in waiting.claim(limit=1000, lease_s=60)}

    job_id = office.request()
    assert job_id in due()
    lease = office.take(job_id)  # what the sensor sees: the job runs, so its place in the queue is finished
    with office.open() as training:
        training.bury_attempt(job_id, lease.fencing_token, GONE)
    waiting.settle(finished=[job_id], deferred_s={})
    assert job_id in due()
    waiting.settle(finished=[], deferred_s={job_id: 60.0})
    assert job_id not in due()
    lease = office.take(job_id)
    with office.open() as training:
        training.bury_attempt(job_id, lease.fencing_token, GONE)
    assert job_id in due()
    waiting.settle(finished=[job_id], deferred_s={})
    assert job_id not in due()


def test_the_third_death_fails_the_job_with_its_reason(office: Office) -> None:
    job_id = office.request()
    for _ in range(3):
        lease = office.take(job_id)
        with office.open() as training:
            training.give_up_attempt(lease, GONE)
    job = office.read(job_id)
    assert (job.status, job.attempt, job.refusal["code"]) == ("failed", 3, "training.worker_died")  # type: ignore[index]
    assert job.completed_at == NOON


def test_a_job_that_never_got_a_worker_is_given_up_too(office: Office) -> None:
    job_id = office.request()
    with office.open() as training:
        for attempt in (1, 1, 2, 3, 4):
            training.count_failed_start(job_id, attempt, GONE)
    assert (office.read(job_id).status, office.read(job_id).attempt) == ("failed", 3)


def test_a_cancelled_job_refuses_its_workers_next_word(office: Office) -> None:
    job_id = office.request()
    lease = office.take(job_id)
    with office.open() as training:
        training.cancel(job_id)
        training.cancel(job_id)
    with pytest.raises(JobCancelled), office.open() as training:
        training.renew(lease)
    assert office.read(job_id).status == "cancelled"


def test_an_ended_job_is_neither_cancelled_nor_taken(office: Office) -> None:
    job_id = office.request()
    lease = office.take(job_id)
    with office.open() as training:
        training.fail(lease, GONE)
    with pytest.raises(JobEnded), office.open() as training:
        training.cancel(job_id)
    with pytest.raises(JobNotQueued, match="failed"):
        office.take(job_id)


def test_a_state_is_not_skipped(office: Office) -> None:
    lease = office.take(office.request())
    with pytest.raises(WrongTransition, match="provisioning and cannot become saving"), office.open() as training:
        training.advance(lease, JobStatus.SAVING)


def test_another_tenants_job_is_not_found(office: Office, new_tenant: Callable[[], uuid.UUID]) -> None:
    job_id = office.request()
    other = TenantId(new_tenant())
    for ask in ("job", "cancel"):
        with pytest.raises(NotFound), office.open(other) as training:
            getattr(training, ask)(job_id)
    with office.open(other) as training:
        assert list(training.queued()) == []
        assert list(training.jobs(after=None, limit=10)) == []
