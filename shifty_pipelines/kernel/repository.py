"""Repositories: the only home of SQL, each built on a tenant scope."""

import uuid
from typing import TypeVar

from sqlalchemy import Select, select

from shifty_pipelines.kernel.db import TenantRow, TenantScope

Row = TypeVar("Row", bound=TenantRow)


class ScopedRepository:
    """Every query of a context, scoped to one tenant by construction; row-level security is the second lock."""

    def __init__(self, scope: TenantScope) -> None:
        self.session = scope.session
        self.tenant_id = scope.tenant_id

    def scoped(self, model: type[Row]) -> Select[Row]:
        """Select rows of `model` of this tenant."""
        return select(model).where(model.tenant_id == self.tenant_id)

    def find(self, model: type[Row], row_id: uuid.UUID) -> Row | None:
        """The row of this tenant by id, or None."""
        return self.session.scalar(self.scoped(model).where(model.id == row_id))

    def find_locked(self, model: type[Row], row_id: uuid.UUID) -> Row | None:
        """The row by id, locked until the transaction ends, freshly read; or None."""
        statement = self.scoped(model).where(model.id == row_id).with_for_update()
        return self.session.scalar(statement, execution_options={"populate_existing": True})

    def add(self, row: TenantRow) -> None:
        """Insert one row now, so that a violated constraint surfaces here and not at commit."""
        self.session.add(row)
        self.session.flush()
