"""Migrations: Alembic's versions applied as `shifty_owner`, repeatable, at `shifty migrate`, `up` and `demo`."""

from pathlib import Path

from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

MIGRATIONS_DIR = Path(__file__).resolve().parents[2] / "migrations"


def alembic_config() -> Config:
    """Alembic's configuration without an ini file; the connection is handed over in its attributes."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    return config


def migrate(admin_url: str, *, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the database to `revision` as shifty_owner; returns the revisions before and after.

    Args:
        admin_url: SQLAlchemy URL of a role that may `SET ROLE shifty_owner` (the superuser).
        revision: an Alembic revision; `head` is the newest.
    """
    engine = create_engine(admin_url)
    try:
        with engine.begin() as connection:
            # Two starts at once: the second waits and then finds nothing to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(7237640)"))
            connection.execute(text("SET LOCAL ROLE shifty_owner"))
            before = _current(connection)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            return before, _current(connection)
    finally:
        engine.dispose()


def head_revision() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def tenant_table(name: str, ddl: str, *, grant: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Create one tenant table inside a migration: its columns, its isolation, and what the application may do.

    Args:
        name: the table's name in schema public.
        ddl: everything after `tenant_id uuid NOT NULL REFERENCES platform.tenants,`.
        grant: privileges of shifty_app; append-only tables give only `SELECT, INSERT`.
    """
    op.execute(f"CREATE TABLE {name} (tenant_id uuid NOT NULL REFERENCES platform.tenants, {ddl})")
    # The event trigger has done this where there is one; managed servers have none.
    op.execute(f"SELECT platform.isolate_table('{name}')")
    op.execute(f"GRANT {grant} ON {name} TO shifty_app")
