"""The outbox: an event is written in the transaction of the change it tells of, and delivered afterwards.

Delivery is at least once; a reaction runs in one transaction with its mark (`outbox_deliveries`), so its effect in the
database happens exactly once. Failed reactions are retried with backoff and then dead-lettered: visible and replayable.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import ForeignKeyConstraint, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.db import Base, Database, TenantRow, TenantScope
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.events import DeliveredEvent, Event
from shifty_pipelines.kernel.ids import IdSource
from shifty_pipelines.kernel.tenant import TenantId

log = structlog.get_logger()

#: Seconds to wait after the n-th failure; the last entry repeats until MAX_ATTEMPTS. About two hours in all.
BACKOFF_S: Sequence[float] = (1, 5, 30, 120, 600, 1800, 3600)
MAX_ATTEMPTS = 8
LEASE_S = 60
BATCH = 50


class OutboxEventRow(TenantRow):
    """One fact, kept for ever: what happened, when."""

    __tablename__ = "outbox_events"

    type: Mapped[str]
    occurred_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)


class OutboxDeliveryRow(Base):
    """How far one subscriber got with one event: `done`, `failed` (will be tried again) or `dead`."""

    __tablename__ = "outbox_deliveries"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "event_id"], ["outbox_events.tenant_id", "outbox_events.id"]),)

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    subscriber: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    attempts: Mapped[int]
    last_error: Mapped[str | None]
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A reaction that gave up: which event, which subscriber, why."""

    event_id: uuid.UUID
    event_type: str
    subscriber: str
    attempts: int
    last_error: str | None
    updated_at: datetime


class Outbox:
    """The outbox of one unit of work."""

    def __init__(self, scope: TenantScope, clock: Clock, ids: IdSource) -> None:
        self._scope = scope
        self._clock = clock
        self._ids = ids

    def publish(self, event: Event) -> uuid.UUID:
        """Write the event into this transaction and queue its delivery; returns its id."""
        row = OutboxEventRow(
            tenant_id=self._scope.tenant_id,
            id=self._ids.new(),
            type=event.type,
            occurred_at=self._clock.now(),
            payload=event.payload(),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        self._enqueue(row.id)
        return row.id

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Reactions that gave up, newest first."""
        statement = (
            select(OutboxDeliveryRow, OutboxEventRow.type)
            .join(
                OutboxEventRow,
                (OutboxEventRow.tenant_id == OutboxDeliveryRow.tenant_id)
                & (OutboxEventRow.id == OutboxDeliveryRow.event_id),
            )
            .where(OutboxDeliveryRow.tenant_id == self._scope.tenant_id, OutboxDeliveryRow.status == "dead")
            .order_by(OutboxDeliveryRow.updated_at.desc())
            .limit(limit)
        )
        return [
            DeadLetter(row.event_id, event_type, row.subscriber, row.attempts, row.last_error, row.updated_at)
            for row, event_type in self._scope.session.execute(statement)
        ]

    def replay(self, event_id: uuid.UUID) -> int:
        """Queue the dead reactions of one event again; returns how many.

        Raises:
            NotFound: the event has no dead reaction in this tenant.
        """
        statement = (
            select(OutboxDeliveryRow)
            .where(OutboxDeliveryRow.tenant_id == self._scope.tenant_id, OutboxDeliveryRow.event_id == event_id)
            .where(OutboxDeliveryRow.status == "dead")
            .with_for_update()
        )
        rows = self._scope.session.scalars(statement).all()
        if not rows:
            raise NotFound("Dead letter")
        for row in rows:
            row.status, row.attempts, row.updated_at = "failed", 0, self._clock.now()
        self._enqueue(event_id)
        return len(rows)

    def _enqueue(self, event_id: uuid.UUID) -> None:
        self._scope.session.execute(text("SELECT platform.enqueue('outbox', :id)"), {"id": event_id})


W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)


class Reaction(Protocol[W_contra]):
    """What one subscriber does about one event, inside the unit of work it is given."""

    def __call__(self, work: W_contra, event: DeliveredEvent, /) -> None:
        """React; must be idempotent by `event.id` for whatever it does outside the database."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """One queued event, leased to this dispatcher."""

    tenant_id: TenantId
    event_id: uuid.UUID


class Dispatcher(Generic[W]):
    """Delivers queued events through a table of subscriptions.

    Args:
        worker: database as `shifty_worker`: claims work, sees no row of a tenant.
        app: database as `shifty_app`: reactions run here, inside the event's tenant.
        open_work: opens what reactions work with (services) on a scope of `app`.
        subscriptions: event type -> subscriber name -> reaction.
        lease_s: how long a claimed event is this dispatcher's alone; a killed one's events are due again after it.
    """

    def __init__(
        self,
        *,
        worker: Database,
        app: Database,
        open_work: Callable[[TenantScope], W],
        subscriptions: Mapping[str, Mapping[str, Reaction[W]]],
        clock: Clock,
        lease_s: int = LEASE_S,
    ) -> None:
        self._worker = worker
        self._app = app
        self._open_work = open_work
        self._subscriptions = subscriptions
        self._clock = clock
        self._lease_s = lease_s
        self._finished: list[uuid.UUID] = []
        self._deferred: dict[uuid.UUID, float] = {}

    def run_once(self) -> int:
        """Claim one batch and deliver it; returns how many events were claimed."""
        claims = self._claim(BATCH)
        for claim in claims:
            delay_s = self._deliver(claim)
            if delay_s is None:
                self._finished.append(claim.event_id)
            else:
                self._deferred[claim.event_id] = delay_s
        return len(claims)

    def settle(self) -> None:
        """Report finished and deferred events without claiming more (before stopping)."""
        self._claim(0)

    def drain(self) -> int:
        """Deliver until nothing is due; returns how many events were delivered or deferred."""
        total = 0
        while claimed := self.run_once():
            total += claimed
        return total

    def _claim(self, limit: int) -> list[Claim]:
        with self._worker.platform_transaction() as session:
            rows = session.execute(
                text(
                    "SELECT tenant_id, work_id FROM platform.claim_work("
                    "'outbox', CAST(:finished AS uuid[]), CAST(:deferred AS uuid[]),"
                    " CAST(:delays AS double precision[]), :limit, :lease_s)"
                ),
                {
                    "finished": self._finished,
                    "deferred": list(self._deferred),
                    "delays": list(self._deferred.values()),
                    "limit": limit,
                    "lease_s": self._lease_s,
                },
            ).all()
        self._finished, self._deferred = [], {}
        return [Claim(TenantId(row.tenant_id), row.work_id) for row in rows]

    def _deliver(self, claim: Claim) -> float | None:
        """Run what is left to do for one event; returns None when nothing is, else the seconds to wait."""
        with self._app.tenant_transaction(claim.tenant_id) as scope:
            event = _load(scope, claim.event_id)
            settled = _settled_subscribers(scope, claim.event_id)
        if event is None:
            return None
        delays = [
            self._react(event, name, reaction)
            for name, reaction in self._subscriptions.get(event.type, {}).items()
            if name not in settled
        ]
        return min((delay_s for delay_s in delays if delay_s is not None), default=None)

    def _react(self, event: DeliveredEvent, subscriber: str, reaction: Reaction[W]) -> float | None:
        tenant_id = TenantId(event.tenant_id)
        try:
            with self._app.tenant_transaction(tenant_id) as scope:
                if _mark_done(scope, event.id, subscriber, self._clock.now()):
                    reaction(self._open_work(scope), event)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is recorded, retried, and in the end dead-lettered
            with self._app.tenant_transaction(tenant_id) as scope:
                attempts = _mark_failed(scope, event.id, subscriber, type(error).__name__, self._clock.now())
            dead = attempts >= MAX_ATTEMPTS
            log.warning(
                "outbox.reaction_failed",
                event_id=str(event.id),
                event_type=event.type,
                subscriber=subscriber,
                attempts=attempts,
                error=type(error).__name__,
                dead=dead,
            )
            return None if dead else BACKOFF_S[min(attempts, len(BACKOFF_S)) - 1]
        return None


def _load(scope: TenantScope, event_id: uuid.UUID) -> DeliveredEvent | None:
    row = scope.session.get(OutboxEventRow, (scope.tenant_id, event_id))
    if row is None:
        return None
    return DeliveredEvent(
        id=row.id, tenant_id=row.tenant_id, type=row.type, occurred_at=row.occurred_at, payload=row.payload
    )


def _settled_subscribers(scope: TenantScope, event_id: uuid.UUID) -> set[str]:
    statement = select(OutboxDeliveryRow.subscriber).where(
        OutboxDeliveryRow.tenant_id == scope.tenant_id,
        OutboxDeliveryRow.event_id == event_id,
        OutboxDeliveryRow.status.in_(("done", "dead")),
    )
    return set(scope.session.scalars(statement))


def _mark_done(scope: TenantScope, event_id: uuid.UUID, subscriber: str, now: datetime) -> bool:
    """Mark first, react after, in one transaction: a second dispatcher waits here and then finds it done."""
    table = OutboxDeliveryRow
    statement = (
        insert(table)
        .values(
            tenant_id=scope.tenant_id,
            event_id=event_id,
            subscriber=subscriber,
            status="done",
            attempts=1,
            last_error=None,
            updated_at=now,
        )
        .on_conflict_do_update(
            index_elements=[table.tenant_id, table.event_id, table.subscriber],
            set_={"status": "done", "attempts": table.attempts + 1, "last_error": None, "updated_at": now},
            where=table.status == "failed",
        )
        .returning(table.attempts)
    )
    return scope.session.scalar(statement) is not None


def _mark_failed(scope: TenantScope, event_id: uuid.UUID, subscriber: str, error: str, now: datetime) -> int:
    """Count one failure; returns the attempts so far. The error's class is kept, its text may hold data."""
    table = OutboxDeliveryRow
    statement = insert(table).values(
        tenant_id=scope.tenant_id,
        event_id=event_id,
        subscriber=subscriber,
        status="failed",
        attempts=1,
        last_error=error,
        updated_at=now,
    )
    statement = statement.on_conflict_do_update(
        index_elements=[table.tenant_id, table.event_id, table.subscriber],
        set_={"attempts": table.attempts + 1, "last_error": error, "updated_at": now},
        where=table.status == "failed",
    )
    attempts = scope.session.scalar(statement.returning(table.attempts)) or 0
    if attempts >= MAX_ATTEMPTS:
        row = scope.session.get_one(OutboxDeliveryRow, (scope.tenant_id, event_id, subscriber))
        row.status = "dead"
    return attempts
