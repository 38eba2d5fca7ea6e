"""The database: one engine per login role, one transaction per unit of work, the tenant set as its first statement.

This is the only place that commits (docs/decisions/0003). Outside `tenant_transaction` a connection sees no tenant row.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, Engine, MetaData, Uuid, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shifty_pipelines.kernel.tenant import TenantId


class Base(DeclarativeBase):
    """Every table's metadata; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), uuid.UUID: Uuid()}  # noqa: RUF012  # SQLAlchemy's protocol


class TenantRow(Base):
    """A row of one tenant: the primary key starts with the tenant, so no key of another tenant can be referenced."""

    __abstract__ = True

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


@dataclass(frozen=True, slots=True)
class TenantScope:
    """A session inside one tenant's transaction; repositories cannot be built without one."""

    tenant_id: TenantId
    session: Session


class Database:
    """One login role's connections to the platform database."""

    def __init__(self, url: str, *, application_name: str, pool_size: int = 20) -> None:
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=10,
            pool_pre_ping=True,  # the embedded server may have been restarted under us
            hide_parameters=True,  # an error's text would carry values of rows into logs and Dagster's events
            connect_args={"application_name": application_name, "connect_timeout": 10},
        )

    @contextmanager
    def tenant_transaction(self, tenant_id: TenantId) -> Iterator[TenantScope]:
        """One transaction inside one tenant: commits at the end of the block, rolls back on any exception."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            enter_tenant(session, tenant_id)
            yield TenantScope(tenant_id, session)

    @contextmanager
    def platform_transaction(self) -> Iterator[Session]:
        """One transaction outside every tenant: reaches the functions of schema platform, no tenant row."""
        with Session(self.engine) as session, session.begin():
            yield session

    def answers(self) -> bool:
        """Whether the database answers a query now."""
        try:
            with self.engine.connect() as connection:
                return bool(connection.scalar(text("SELECT 1")) == 1)
        except SQLAlchemyError:
            return False

    def active_tenants(self) -> list[TenantId]:
        """The active tenants by age; only `shifty_worker` may ask."""
        with self.platform_transaction() as session:
            return [TenantId(found) for found in session.scalars(text("SELECT platform.active_tenants()"))]

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def enter_tenant(session: Session, tenant_id: TenantId) -> None:
    """Set the tenant for the rest of this transaction only; a pooled connection never carries it further."""
    session.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant_id)})
