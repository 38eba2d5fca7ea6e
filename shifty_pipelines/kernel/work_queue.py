"""Queues of schema platform, as the worker role sees them: ids and tenants, leased for a while."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text

from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import TenantId


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """One queued id, leased to whoever claimed it."""

    tenant_id: TenantId
    work_id: uuid.UUID


class WorkQueue:
    """One queue.

    Args:
        worker: database as `shifty_worker`.
        name: which queue.
    """

    def __init__(self, worker: Database, name: Literal["outbox", "training", "webhook"]) -> None:
        self._worker = worker
        self._name = name

    def claim(self, *, limit: int, lease_s: int) -> list[QueuedWork]:
        """Up to `limit` due ids; they are due again after `lease_s` unless settled."""
        return self._call((), {}, limit, lease_s)

    def settle(self, *, finished: Sequence[uuid.UUID], deferred_s: Mapping[uuid.UUID, float]) -> None:
        """Let finished ids leave the queue, and deferred ones wait their seconds."""
        self._call(finished, deferred_s, 0, 0)

    def exchange(
        self, *, finished: Sequence[uuid.UUID], deferred_s: Mapping[uuid.UUID, float], limit: int, lease_s: int
    ) -> list[QueuedWork]:
        """Settle what is done and claim up to `limit` due ids, in one call."""
        return self._call(finished, deferred_s, limit, lease_s)

    def active_tenants(self) -> list[TenantId]:
        """Every active tenant."""
        with self._worker.platform_transaction() as session:
            return [TenantId(found) for found in session.scalars(text("SELECT platform.active_tenants()"))]

    def _call(
        self, finished: Sequence[uuid.UUID], deferred_s: Mapping[uuid.UUID, float], limit: int, lease_s: int
    ) -> list[QueuedWork]:
        with self._worker.platform_transaction() as session:
            rows = session.execute(
                text(
                    "SELECT tenant_id, work_id FROM platform.claim_work("
                    ":queue, CAST(:finished AS uuid[]), CAST(:deferred AS uuid[]),"
                    " CAST(:seconds AS double precision[]), :limit, :lease)"
                ),
                {
                    "queue": self._name,
                    "finished": list(finished),
                    "deferred": list(deferred_s),
                    "seconds": list(deferred_s.values()),
                    "limit": limit,
                    "lease": lease_s,
                },
            ).all()
        return [QueuedWork(TenantId(row.tenant_id), row.work_id) for row in rows]
