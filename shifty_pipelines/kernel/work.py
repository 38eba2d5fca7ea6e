"""A unit of work: what one caller does in one tenant in one transaction."""

from dataclasses import dataclass

from shifty_pipelines.kernel.audit import AuditLog
from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.db import TenantScope
from shifty_pipelines.kernel.ids import IdSource
from shifty_pipelines.kernel.outbox import Outbox
from shifty_pipelines.kernel.tenant import Actor, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOfWork:
    """Everything a service needs besides its own repository; built once per transaction by bootstrap."""

    scope: TenantScope
    actor: Actor
    clock: Clock
    ids: IdSource
    outbox: Outbox
    audit: AuditLog

    @property
    def tenant_id(self) -> TenantId:
        """The tenant of this transaction."""
        return self.scope.tenant_id


def begin_work(scope: TenantScope, actor: Actor, clock: Clock, ids: IdSource) -> UnitOfWork:
    """Assemble the unit of work of `actor` on an open tenant transaction."""
    return UnitOfWork(
        scope=scope,
        actor=actor,
        clock=clock,
        ids=ids,
        outbox=Outbox(scope, clock, ids),
        audit=AuditLog(scope, actor, clock, ids),
    )
