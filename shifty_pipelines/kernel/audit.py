"""Audit: an append-only row in the transaction of the change, and refusals in transactions of their own.

The application role may insert and read audit rows and nothing else. Details carry ids, labels and counts, never data.
"""

import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.db import Database, TenantRow, TenantScope
from shifty_pipelines.kernel.ids import IdSource
from shifty_pipelines.kernel.tenant import SYSTEM_TENANT, Actor, TenantId


class AuditEventRow(TenantRow):
    """Who did what to which object, when."""

    __tablename__ = "audit_events"

    occurred_at: Mapped[datetime]
    actor_id: Mapped[uuid.UUID | None]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)


class AuditLog:
    """Writes the audit rows of one unit of work."""

    def __init__(self, scope: TenantScope, actor: Actor, clock: Clock, ids: IdSource) -> None:
        self._scope = scope
        self._actor = actor
        self._clock = clock
        self._ids = ids

    def record(self, action: str, object_type: str, object_id: object, **details: Any) -> None:
        """Add one row to this transaction, e.g. `record("tenant.deleted", "tenant", tenant_id)`."""
        via = self._actor.api_key_id
        self._scope.session.add(
            AuditEventRow(
                tenant_id=self._scope.tenant_id,
                id=self._ids.new(),
                occurred_at=self._clock.now(),
                actor_id=self._actor.user_id,
                action=action,
                object_type=object_type,
                object_id=str(object_id),
                details=details if via is None else {**details, "api_key_id": str(via)},
            )
        )


@dataclass(slots=True)
class _Burst:
    """Refusals of one caller and code since the last row."""

    written_at: datetime
    unwritten: int = 0


class RefusalLog:
    """Records refusals, at most one row a second per caller and code, with a count of those between.

    A refusal's own transaction was rolled back, hence a transaction of its own; without a proven tenant it is recorded
    under the system tenant.
    """

    MIN_INTERVAL = timedelta(seconds=1)
    #: Callers remembered at once; beyond it the oldest are forgotten, so a flood of addresses cannot fill the memory.
    MAX_BURSTS = 10_000

    def __init__(self, database: Database, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bursts: dict[tuple[str, str], _Burst] = {}
        self._lock = threading.Lock()

    def record(self, *, tenant_id: TenantId | None, caller: str, code: str, route: str) -> None:
        """Count one refusal of `caller` (user id or address); writes a row when the last one is a second old."""
        count = self._due_count(caller, code)
        if count == 0:
            return
        with self._database.tenant_transaction(tenant_id or SYSTEM_TENANT) as scope:
            scope.session.add(
                AuditEventRow(
                    tenant_id=scope.tenant_id,
                    id=self._ids.new(),
                    occurred_at=self._clock.now(),
                    actor_id=None,
                    action="request.refused",
                    object_type="route",
                    object_id=route,
                    details={"caller": caller, "code": code, "count": count},
                )
            )

    def _due_count(self, caller: str, code: str) -> int:
        now = self._clock.now()
        with self._lock:
            burst = self._bursts.pop((caller, code), None)
            if burst is not None and now - burst.written_at < self.MIN_INTERVAL:
                burst.unwritten += 1
                self._bursts[caller, code] = burst
                return 0
            self._bursts[caller, code] = _Burst(written_at=now)
            while len(self._bursts) > self.MAX_BURSTS:
                del self._bursts[next(iter(self._bursts))]
            return 1 + (burst.unwritten if burst else 0)
