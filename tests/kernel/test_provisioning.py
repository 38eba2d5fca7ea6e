"""From nothing to a migrated database: external as superuser and as shifty_app, migrations that repeat."""

import importlib
import pkgutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import create_engine, inspect, text

import shifty_pipelines.contexts
from shifty_pipelines.kernel.db import Base
from shifty_pipelines.kernel.isolation import guard_isolation
from shifty_pipelines.kernel.migrations import head_revision, migrate
from shifty_pipelines.kernel.provisioning import NotBootstrapped, provision
from shifty_pipelines.kernel.roles import RolePasswords, bootstrap_roles
from shifty_pipelines.kernel.secret_files import secret_file
from tests.conftest import INSTALLATION_ID, TestServer


@pytest.fixture
def external(postgres: TestServer) -> Iterator[str]:
    """An empty database on the run's server, as an operator's own server would have it."""
    name = f"shifty_external_{uuid.uuid4().hex}"
    with postgres.admin() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield name
    with postgres.admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def home(postgres: TestServer, tmp_path: Path) -> Path:
    """A home whose role passwords are this run's: roles are the cluster's, and other tests sign in meanwhile."""
    for role, password in postgres.passwords.by_role.items():
        secret_file(tmp_path / "secrets", f"role-{role}", default=password)
    return tmp_path


def test_a_superusers_url_bootstraps_migrates_and_may_be_given_again(
    postgres: TestServer, external: str, home: Path
) -> None:
    url = postgres.admin_url(external).replace("postgresql+psycopg://", "postgresql://")
    first = provision(home, url)
    assert (first.revision_before, first.revision_after) == (None, head_revision())
    again = provision(home, url)
    assert again.revision_before == again.revision_after == head_revision()
    engine = create_engine(again.urls.app)
    guard_isolation(engine)
    engine.dispose()
    # As shifty_app the bootstrapped database is used as it is, and nothing is changed.
    as_app = provision(home, again.urls.app.replace("postgresql+psycopg://", "postgresql://"))
    assert as_app.urls.admin is None
    assert as_app.urls.app == again.urls.app


def test_shifty_app_without_a_bootstrap_is_refused_with_what_to_run(
    postgres: TestServer, external: str, home: Path
) -> None:
    url = postgres.url(external, "shifty_app").replace("postgresql+psycopg://", "postgresql://")
    with pytest.raises(NotBootstrapped, match="shifty migrate") as refusal:
        provision(home, url)
    assert "platform.sql" in str(refusal.value)
    assert postgres.passwords.by_role["shifty_app"] not in str(refusal.value)


def test_models_and_migrations_agree(postgres: TestServer, database_name: str) -> None:
    for context in pkgutil.iter_modules(shifty_pipelines.contexts.__path__, "shifty_pipelines.contexts."):
        if any(
            module.name == "models" for module in pkgutil.iter_modules(importlib.import_module(context.name).__path__)
        ):
            importlib.import_module(f"{context.name}.models")
    importlib.import_module("shifty_pipelines.kernel.audit")
    importlib.import_module("shifty_pipelines.kernel.idempotency")
    importlib.import_module("shifty_pipelines.kernel.outbox")
    engine = create_engine(postgres.admin_url(database_name))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        tables = Base.metadata.tables
        differences = [
            step
            for step in compare_metadata(context, Base.metadata)
            if not isinstance(step, list) and step[0] in ("add_table", "add_column", "remove_column")
        ]
        nullable = [
            f"{name}.{column['name']}"
            for name in tables
            for column in inspect(connection).get_columns(name)
            if column["name"] in tables[name].columns
            and column["nullable"] != tables[name].columns[column["name"]].nullable
        ]
    engine.dispose()
    assert differences == []
    assert nullable == []


def test_every_column_that_holds_a_key_slot_is_called_key_slot_and_indexed(
    postgres: TestServer, database_name: str
) -> None:
    with postgres.admin(database_name) as admin:
        slots = admin.execute(
            "SELECT c.relname, a.attname, EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"
            "   AND i.indkey[1] = a.attnum) AS has_index"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
            " AND a.attname LIKE '%slot' AND NOT a.attisdropped ORDER BY 1, 2"
        ).fetchall()
    assert {name for name, _, _ in slots} >= {"items", "error_events", "key_erasures"}
    assert {column for _, column, _ in slots} == {"key_slot"}
    assert [name for name, _, has_index in slots if not has_index] == []


@pytest.mark.parametrize("table", ["audit_events", "outbox_events", "label_events", "xp_ledger", "key_erasures"])
def test_append_only_tables_give_the_application_no_update_and_no_delete(
    postgres: TestServer, database_name: str, table: str
) -> None:
    with postgres.admin(database_name) as admin:
        granted = admin.execute(
            "SELECT has_table_privilege(%(r)s, %(t)s, 'INSERT'), has_table_privilege(%(r)s, %(t)s, 'UPDATE'),"
            " has_table_privilege(%(r)s, %(t)s, 'DELETE'), has_any_column_privilege(%(r)s, %(t)s, 'UPDATE')",
            {"t": table, "r": "shifty_app"},
        ).fetchone()
    assert granted == (True, False, False, False)


def test_every_index_leads_with_the_tenant(postgres: TestServer, database_name: str) -> None:
    with postgres.admin(database_name) as admin:
        strangers = admin.execute(
            "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
            " WHERE c.relnamespace = 'public'::regnamespace AND a.attname <> 'tenant_id'"
            " AND c.relname <> 'alembic_version'"
        ).fetchall()
    assert strangers == []


def test_migrating_an_up_to_date_database_does_nothing(postgres: TestServer, fresh_database_name: str) -> None:
    before, after = migrate(postgres.admin_url(fresh_database_name))
    assert before == after == head_revision()


def test_no_role_but_its_own_reaches_dagsters_database(postgres: TestServer) -> None:
    from shifty_pipelines.kernel.roles import create_dagster_database

    name = f"dagster_{uuid.uuid4().hex}"
    with postgres.admin() as admin:
        create_dagster_database(admin, name)
        create_dagster_database(admin, name)  # repeatable
    try:
        with psycopg.connect(postgres.url(name, "shifty_dagster").replace("+psycopg", "")) as own:
            own.execute("CREATE TABLE runs (id int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(postgres.url(name, "shifty_app").replace("+psycopg", ""))
    finally:
        with postgres.admin() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_generated_passwords_differ_and_do_not_show(postgres: TestServer) -> None:
    passwords = RolePasswords.generate()
    assert len(set(passwords.by_role.values())) == 4
    assert all(value not in repr(passwords) for value in passwords.by_role.values())
    assert postgres.address.password not in repr(postgres.address)


def test_the_database_knows_its_installation(postgres: TestServer, database_name: str) -> None:
    engine = create_engine(postgres.url(database_name, "shifty_app"))
    with engine.connect() as connection:
        assert str(connection.scalar(text("SELECT platform.installation_id()"))) == INSTALLATION_ID
    engine.dispose()


def test_a_database_of_the_version_before_gets_the_new_doors_and_is_refused_until_then(
    postgres: TestServer, external: str, home: Path
) -> None:
    """Revision 0006 with the schema platform of its day: no key or refresh index, no functions for them."""
    url = postgres.admin_url(external).replace("postgresql+psycopg://", "postgresql://")
    with postgres.admin(external) as admin:
        bootstrap_roles(admin, postgres.passwords, INSTALLATION_ID)
        for function in ("find_api_key(bytea)", "find_refresh(bytea)", "follow_api_key()", "follow_refresh()"):
            admin.execute(f"DROP FUNCTION platform.{function}")
        admin.execute("DROP TABLE platform.api_key_index, platform.refresh_index")
    migrate(postgres.admin_url(external), revision="0006")
    as_app = postgres.url(external, "shifty_app").replace("postgresql+psycopg://", "postgresql://")
    with pytest.raises(NotBootstrapped, match="earlier version"):
        provision(home, as_app)
    done = provision(home, url)
    assert (done.revision_before, done.revision_after) == ("0006", head_revision())
    assert provision(home, as_app).urls.app == done.urls.app
