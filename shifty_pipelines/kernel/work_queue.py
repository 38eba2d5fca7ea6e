"""Queues of schema platform, as the worker role sees them: ids and tenants, leased for a while."""

import uuid
from collections.abc import Collection, Mapping, Sequence
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

    def __init__(self, worker: Database, name: Literal["outbox", "training"]) -> None:
        self._worker = worker
        self._name = name

    def claim(self, *, limit: int, lease_s: int) -> list[QueuedWork]:
        """Up to `limit` due ids; they are due again after `lease_s` unless settled."""
        return self._call((), {}, limit, lease_s)

    def settle(self, *, finished: Sequence[uuid.UUID], deferred_s: Mapping[uuid.UUID, float]) -> None:
        """Let finished ids leave the queue, and deferred ones wait their seconds."""
        self._call(finished, deferred_s, 0, 0)

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


class WebhookQueue:
    """The queue of webhook deliveries, which is claimed from with care for whose they are.

    Args:
        worker: database as `shifty_worker`.
    """

    def __init__(self, worker: Database) -> None:
        self._worker = worker

    def exchange(
        self, *, settled: Mapping[uuid.UUID, float | None], limit: int, lease_s: int, busy: Collection[TenantId]
    ) -> list[QueuedWork]:
        """Settle what is done and claim up to `limit` due ids, in one call.

        Args:
            settled: id -> seconds until it is due again, or None when it leaves the queue.
            limit: how many to claim at most.
            lease_s: how long a claimed id is the caller's alone.
            busy: tenants whose ids are not claimed now.
        """
        deferred_s = {work_id: seconds for work_id, seconds in settled.items() if seconds is not None}
        with self._worker.platform_transaction() as session:
            rows = session.execute(
                text(
                    "SELECT tenant_id, work_id FROM platform.claim_webhooks("
                    "CAST(:finished AS uuid[]), CAST(:deferred AS uuid[]), CAST(:seconds AS double precision[]),"
                    " :limit, :lease, CAST(:busy AS uuid[]))"
                ),
                {
                    "finished": [work_id for work_id, seconds in settled.items() if seconds is None],
                    "deferred": list(deferred_s),
                    "seconds": list(deferred_s.values()),
                    "limit": limit,
                    "lease": lease_s,
                    "busy": list(busy),
                },
            ).all()
        return [QueuedWork(TenantId(row.tenant_id), row.work_id) for row in rows]
