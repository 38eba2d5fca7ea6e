"""Rows of idempotency keys: scope is tenant, caller and route; they live for 24 hours."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import Base
from shifty_pipelines.kernel.tenant import SYSTEM_TENANT
from shifty_pipelines.kernel.work import UnitOfWork

TTL = timedelta(hours=24)


class IdempotencyKeyRow(Base):
    """One used key, and what it made."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    caller_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    result_id: Mapped[uuid.UUID]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What a key was used for."""

    request_hash: bytes
    result_id: uuid.UUID


class IdempotencyKeys:
    """One key of one caller on one route, inside a unit of work."""

    def __init__(self, work: UnitOfWork, route: str, key: str) -> None:
        self._work = work
        self._identity = {
            "tenant_id": work.tenant_id,
            "caller_id": work.actor.user_id or SYSTEM_TENANT,
            "route": route,
            "key": key,
        }

    def try_lock(self) -> bool:
        """Take the key until this transaction ends; False if another request holds it."""
        name = "\x00".join(str(part) for part in self._identity.values())
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        return bool(self._work.scope.session.scalar(select(func.pg_try_advisory_xact_lock(number))))

    def find(self) -> UsedKey | None:
        """What the key was used for in the last 24 hours; forgets older keys of this tenant on the way."""
        session, table = self._work.scope.session, IdempotencyKeyRow
        session.execute(
            delete(table).where(
                table.tenant_id == self._work.tenant_id, table.created_at < self._work.clock.now() - TTL
            )
        )
        row = session.get(table, self._identity)
        return UsedKey(row.request_hash, row.result_id) if row else None

    def remember(self, request_hash: bytes, result_id: uuid.UUID) -> None:
        """Keep what the key made."""
        self._work.scope.session.execute(
            insert(IdempotencyKeyRow).values(
                **self._identity, request_hash=request_hash, result_id=result_id, created_at=self._work.clock.now()
            )
        )
