"""The outbox: at-least-once delivery, exactly-once effects in the database, retries that end visibly."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import text

from shifty_pipelines.kernel.clock import SystemClock
from shifty_pipelines.kernel.db import Database, TenantScope
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.events import DeliveredEvent, Event
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.outbox import MAX_ATTEMPTS, Dispatcher, Outbox, Reaction
from shifty_pipelines.kernel.tenant import TenantId
from tests.conftest import TestServer

KILLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Event):
    type: ClassVar[str] = "test.happened"
    number: int


@dataclass
class Fresh:
    """A database of this test alone: another test's dispatcher must not take its events."""

    app: Database
    worker: Database
    tenant_id: TenantId
    app_url: str
    worker_url: str

    def publish(self, count: int) -> list[uuid.UUID]:
        with self.app.tenant_transaction(self.tenant_id) as scope:
            outbox = Outbox(scope, SystemClock(), RandomIds())
            return [outbox.publish(Happened(number=number)) for number in range(count)]

    def dispatcher(self, *reactions: Reaction[TenantScope]) -> Dispatcher[TenantScope]:
        return Dispatcher(
            worker=self.worker,
            app=self.app,
            open_work=lambda scope: scope,
            subscriptions={"test.happened": {f"reaction-{n}": reaction for n, reaction in enumerate(reactions)}},
            clock=SystemClock(),
            lease_s=0,
        )

    def scalar(self, statement: str) -> object:
        with self.app.tenant_transaction(self.tenant_id) as scope:
            return scope.session.scalar(text(statement))


@pytest.fixture
def fresh(postgres: TestServer, fresh_database_name: str) -> Iterator[Fresh]:
    app_url = postgres.url(fresh_database_name, "shifty_app")
    worker_url = postgres.url(fresh_database_name, "shifty_worker")
    app = Database(app_url, application_name="tests")
    worker = Database(worker_url, application_name="tests-worker")
    tenant_id = TenantId(uuid.uuid4())
    with app.platform_transaction() as session:
        session.execute(text("SELECT platform.create_tenant(:t, 'outbox', false)"), {"t": tenant_id})
    yield Fresh(app, worker, tenant_id, app_url, worker_url)
    app.dispose()
    worker.dispose()


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_dispatcher_killed_100_times_between_effect_and_mark_makes_each_effect_once(
    fresh: Fresh, tmp_path: Path, moment: str
) -> None:
    events = fresh.publish(KILLS)
    arguments = [fresh.app_url, fresh.worker_url, str(fresh.tenant_id), str(tmp_path), moment, str(KILLS + 2)]
    victim = Path(__file__).with_name("outbox_victim.py")
    done = subprocess.run(
        [sys.executable, str(victim), *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(done.stdout) == KILLS
    with fresh.app.tenant_transaction(fresh.tenant_id) as scope:
        effects = dict(
            scope.session.execute(
                text("SELECT object_id, count(*) FROM audit_events WHERE action = 'effect' GROUP BY 1")
            ).all()
        )
    assert effects == {str(event): 1 for event in events}


def test_an_event_of_a_rolled_back_change_is_never_delivered(fresh: Fresh) -> None:
    def publish_then_fail() -> None:
        with fresh.app.tenant_transaction(fresh.tenant_id) as scope:
            Outbox(scope, SystemClock(), RandomIds()).publish(Happened(number=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish_then_fail()
    assert fresh.dispatcher().run_once() == 0


def test_two_dispatchers_never_deliver_one_event_twice(fresh: Fresh) -> None:
    fresh.publish(1)
    seen: list[int] = []
    slow_twin = fresh.dispatcher(lambda _scope, event: seen.append(event.payload["number"]))

    def deliver_through_the_twin_first(_scope: TenantScope, event: DeliveredEvent) -> None:
        seen.append(event.payload["number"])

    fast = fresh.dispatcher(deliver_through_the_twin_first)
    claims = slow_twin._claim(1)
    assert fast.run_once() == 1  # its lease of 0 s is over: both hold the event now
    assert slow_twin._deliver(claims[0]) is None
    assert seen == [0]


def test_a_failing_reaction_is_retried_with_backoff_then_dead_lettered_and_can_be_replayed(fresh: Fresh) -> None:
    (event_id,) = fresh.publish(1)
    is_broken = True
    reached: list[str] = []

    def fragile(_scope: TenantScope, _event: DeliveredEvent) -> None:
        if is_broken:
            raise ConnectionError("canary-secret-in-error-text")
        reached.append("fragile")

    dispatcher = fresh.dispatcher(fragile, lambda _scope, _event: reached.append("sturdy"))
    delays = []
    for _ in range(MAX_ATTEMPTS):
        (claim,) = dispatcher._claim(1)
        delays.append(dispatcher._deliver(claim))
    assert delays == [1, 5, 30, 120, 600, 1800, 3600, None]
    assert reached == ["sturdy"]
    with fresh.app.tenant_transaction(fresh.tenant_id) as scope:
        outbox = Outbox(scope, SystemClock(), RandomIds())
        (letter,) = outbox.dead_letters(10)
        assert (letter.event_id, letter.subscriber, letter.attempts) == (event_id, "reaction-0", MAX_ATTEMPTS)
        assert letter.last_error == "ConnectionError"
    is_broken = False
    with fresh.app.tenant_transaction(fresh.tenant_id) as scope:
        assert Outbox(scope, SystemClock(), RandomIds()).replay(event_id) == 1
    dispatcher.drain()
    assert reached == ["sturdy", "fragile"]
    with fresh.app.tenant_transaction(fresh.tenant_id) as scope, pytest.raises(NotFound):
        Outbox(scope, SystemClock(), RandomIds()).replay(event_id)


def test_a_deferred_event_waits_its_backoff(fresh: Fresh) -> None:
    fresh.publish(1)

    def broken(_scope: TenantScope, _event: DeliveredEvent) -> None:
        raise ValueError

    dispatcher = fresh.dispatcher(broken)
    assert dispatcher.run_once() == 1
    assert dispatcher.run_once() == 0  # deferred by one second
    assert fresh.scalar("SELECT attempts FROM outbox_deliveries") == 1


def test_another_tenants_dead_letter_is_not_found(fresh: Fresh) -> None:
    (event_id,) = fresh.publish(1)
    other = TenantId(uuid.uuid4())
    with fresh.app.tenant_transaction(other) as scope, pytest.raises(NotFound):
        Outbox(scope, SystemClock(), RandomIds()).replay(event_id)
