"""Tenant isolation, attacked as the application's own role, table by table from pg_class."""

import uuid
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from shifty_pipelines.kernel.db import Database, enter_tenant
from shifty_pipelines.kernel.isolation import IsolationBroken, guard_isolation
from shifty_pipelines.kernel.tenant import TenantId
from tests.conftest import TestServer

TENANT_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('public'::regnamespace, 'marts'::regnamespace)
AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
ORDER BY 1
"""

#: Who may execute what in schema platform; anything else in pg_proc fails.
ALLOWED_FUNCTIONS = {
    "current_tenant": {"shifty_app", "shifty_owner", "shifty_dbt"},
    "isolate_table": {"shifty_owner", "shifty_dbt"},
    "isolate_new_tables": {"shifty_owner", "shifty_dbt"},
    "find_login": {"shifty_app"},
    "find_api_key": {"shifty_app"},
    "find_refresh": {"shifty_app"},
    "create_tenant": {"shifty_app"},
    "enqueue": {"shifty_app"},
    "installation_id": {"shifty_app"},
    "claim_work": {"shifty_worker"},
    "claim_webhooks": {"shifty_worker"},
    "active_tenants": {"shifty_worker"},
    "follow_user": {"shifty_owner"},
    "follow_tenant": {"shifty_owner"},
    "follow_api_key": {"shifty_owner"},
    "follow_refresh": {"shifty_owner"},
}
SECURITY_DEFINER = set(ALLOWED_FUNCTIONS) - {"current_tenant", "isolate_table", "isolate_new_tables"}


def tenant_tables(postgres: TestServer, database: str) -> list[str]:
    with postgres.admin(database) as connection:
        return [name for (name,) in connection.execute(TENANT_TABLES)]


def plant_row(connection: psycopg.Connection, table: str, tenant_id: uuid.UUID) -> None:
    """One row of `tenant_id` in any table, whatever its columns: the superuser skips keys and checks on the way in."""
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull AND NOT attisdropped AND attgenerated = ''",
        [table],
    ).fetchall()
    samples = {
        "uuid": str(uuid.uuid4()), "text": "x", "integer": 1, "bigint": 1, "boolean": True, "jsonb": "{}",
        "timestamp with time zone": "2026-01-01T00:00:00Z", "date": "2026-01-01", "bytea": b"x",
        "double precision": 0.5,
        "text[]": ["x"], "uuid[]": [uuid.uuid4()], "double precision[]": [0.5],
        "smallint": 1, "real": 0.5, "numeric": 1,
    }  # fmt: skip
    values = [str(tenant_id) if name == "tenant_id" else samples[kind] for name, kind in columns]
    names = ", ".join(name for name, _ in columns)
    marks = ", ".join(["%s"] * len(values))
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # no foreign keys, no triggers
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


def drop_checks(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace"
    ).fetchall()
    for table, name in rows:
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def test_no_table_shows_or_gives_another_tenants_rows(postgres: TestServer, fresh_database_name: str) -> None:
    tenant_a, tenant_b = uuid.uuid4(), uuid.uuid4()
    tables = tenant_tables(postgres, fresh_database_name)
    assert {"audit_events", "outbox_events", "outbox_deliveries", "idempotency_keys"} <= set(tables)
    with postgres.admin(fresh_database_name) as admin:
        drop_checks(admin)
        for table in tables:
            plant_row(admin, table, tenant_a)
    database = Database(postgres.url(fresh_database_name, "shifty_app"), application_name="attack")
    leaks = []
    for table in tables:
        with database.tenant_transaction(TenantId(tenant_a)) as scope:
            if scope.session.scalar(text(f"SELECT count(*) FROM {table}")) != 1:
                leaks.append(f"{table}: the owner does not see its own row, so the probe proves nothing")
        leaks += [f"{table}: {probe}" for probe in reachable(database, table, tenant_a, tenant_b)]
    database.dispose()
    assert leaks == []


def reachable(database: Database, table: str, tenant_a: uuid.UUID, tenant_b: uuid.UUID) -> list[str]:
    """The attacks that worked: tenant B (or nobody) on tenant A's row."""
    attacks = {
        "read": f"SELECT 1 FROM {table}",
        "read by id": f"SELECT 1 FROM {table} WHERE tenant_id = '{tenant_a}'",
        "update": f"UPDATE {table} SET tenant_id = '{tenant_b}' WHERE tenant_id = '{tenant_a}'",
        "steal": f"UPDATE {table} SET tenant_id = '{tenant_a}'",
        "delete": f"DELETE FROM {table} WHERE tenant_id = '{tenant_a}'",
        "truncate": f"TRUNCATE {table} CASCADE",
        "copy out": f"COPY {table} TO STDOUT",
        "disable": f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        "row_security off": f"SET LOCAL row_security = off; SELECT 1 FROM {table}",
        "become owner": f"SET LOCAL ROLE shifty_owner; SELECT 1 FROM {table}",
    }
    return [
        f"{name} as {'nobody' if tenant is None else 'tenant B'}"
        for tenant in (tenant_b, None)
        for name, statement in attacks.items()
        if works(database, statement, tenant)
    ]


def works(database: Database, statement: str, tenant: uuid.UUID | None) -> bool:
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant or "")])
        *setup, last = statement.split("; ")
        for step in setup:
            cursor.execute(step)
        if last.startswith("COPY"):
            with cursor.copy(last) as copy:
                return any(bytes(row) for row in copy)
        cursor.execute(last)
        return last.startswith(("TRUNCATE", "ALTER")) or cursor.rowcount > 0
    except psycopg.Error:
        return False
    finally:
        connection.rollback()
        connection.close()


def test_rows_cannot_be_written_into_another_tenant(
    app_database: Database, new_tenant: Callable[[], uuid.UUID]
) -> None:
    tenant_a, tenant_b = new_tenant(), new_tenant()
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        app_database.tenant_transaction(TenantId(tenant_b)) as scope,
    ):
        scope.session.execute(
            text("INSERT INTO key_erasures (tenant_id, key_slot, erased_at) VALUES (:t, 1, now())"), {"t": tenant_a}
        )


def test_a_pooled_connection_forgets_its_tenant_after_every_kind_of_end(
    app_database: Database, new_tenant: Callable[[], uuid.UUID]
) -> None:
    tenant_id = TenantId(new_tenant())
    with app_database.tenant_transaction(tenant_id) as scope:
        scope.session.execute(
            text("INSERT INTO key_erasures (tenant_id, key_slot, erased_at) VALUES (:t, 1, now())"), {"t": tenant_id}
        )
    for ending in ("commit", "rollback", "error"):
        connection = app_database.engine.connect()
        enter_tenant(connection, tenant_id)  # type: ignore[arg-type]
        assert connection.scalar(text("SELECT count(*) FROM key_erasures")) == 1
        if ending == "commit":
            connection.commit()
        elif ending == "rollback":
            connection.rollback()
        else:
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1/0"))
            connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM key_erasures")) == 0, ending
        connection.close()


def test_functions_of_schema_platform_are_exactly_the_allow_list(postgres: TestServer, database_name: str) -> None:
    with postgres.admin(database_name) as connection:
        rows = connection.execute(
            """
            SELECT p.proname, p.prosecdef, p.proowner::regrole::text, coalesce(p.proconfig, '{}'),
              ARRAY(SELECT r.rolname::text FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname LIKE 'shifty%%'
                AND r.rolname <> 'shifty_platform' AND has_function_privilege(r.oid, p.oid, 'EXECUTE')),
              has_function_privilege('pg_monitor', p.oid, 'EXECUTE')
            FROM pg_proc p WHERE p.pronamespace = 'platform'::regnamespace
            """
        ).fetchall()
    assert {name: set(executors) for name, _, _, _, executors, _ in rows} == ALLOWED_FUNCTIONS
    assert {name for name, definer, *_ in rows if definer} == SECURITY_DEFINER
    for name, definer, owner, config, _, public in rows:
        assert owner == "shifty_platform", name
        assert not public, f"{name} is executable by PUBLIC"
        assert not definer or "search_path=pg_catalog, pg_temp" in config, name


@pytest.mark.parametrize("role", ["shifty_app", "shifty_worker", "shifty_dbt", "shifty_dagster"])
def test_no_login_role_has_a_privilege_on_a_table_of_schema_platform(
    postgres: TestServer, database_name: str, role: str
) -> None:
    with postgres.admin(database_name) as connection:
        rows = connection.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'platform'::regnamespace AND c.relkind = 'r'"
            " AND (has_table_privilege(%(role)s, c.oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')"
            "   OR has_any_column_privilege(%(role)s, c.oid, 'SELECT,INSERT,UPDATE,REFERENCES'))",
            {"role": role},
        ).fetchall()
    assert rows == []


def test_the_worker_role_reaches_no_row_of_a_tenant(postgres: TestServer, database_name: str) -> None:
    with postgres.admin(database_name) as connection:
        readable = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace IN ('public'::regnamespace, 'marts'::regnamespace)"
            " AND has_table_privilege('shifty_worker', oid, 'SELECT,INSERT,UPDATE,DELETE')"
        ).fetchall()
    assert readable == []


def test_the_guard_passes_as_the_application_role(app_database: Database) -> None:
    guard_isolation(app_database.engine)


def test_the_guard_refuses_a_superuser(postgres: TestServer, database_name: str) -> None:
    engine = create_engine(postgres.admin_url(database_name))
    with pytest.raises(IsolationBroken, match="superuser") as refusal:
        guard_isolation(engine)
    assert any(line.startswith("canary: tenant B reads") for line in refusal.value.findings)
    assert "Connect as shifty_app" in str(refusal.value)
    engine.dispose()


@pytest.mark.parametrize(
    ("sabotage", "finding"),
    [
        pytest.param("ALTER TABLE audit_events NO FORCE ROW LEVEL SECURITY", "audit_events: row-level", id="unforced"),
        pytest.param("DROP POLICY tenant_isolation ON audit_events", "audit_events: no restrictive", id="no policy"),
        pytest.param(
            "ALTER POLICY tenant_isolation ON audit_events USING (true)", "audit_events: no restrictive", id="loosened"
        ),
        pytest.param(
            "CREATE VIEW peek AS SELECT * FROM audit_events; GRANT SELECT ON peek TO shifty_app",
            "peek: a view without",
            id="definer view",
        ),
        pytest.param(
            "CREATE MATERIALIZED VIEW peek AS SELECT * FROM audit_events; GRANT SELECT ON peek TO shifty_app",
            "peek: a materialised view",
            id="materialised view",
        ),
        pytest.param("CREATE TABLE notes (x int); GRANT SELECT ON notes TO shifty_app", "notes: no column", id="bare"),
        pytest.param(
            "GRANT TRUNCATE ON audit_events TO shifty_app", "audit_events: the serving role may", id="truncate"
        ),
        pytest.param("GRANT SELECT ON platform.tenants TO shifty_app", "platform.tenants: in schema", id="platform"),
        pytest.param("GRANT shifty_owner TO shifty_app", "member of shifty_owner", id="membership"),
    ],
)
def test_the_guard_finds_each_kind_of_sabotage(
    postgres: TestServer, fresh_database_name: str, sabotage: str, finding: str
) -> None:
    engine = create_engine(postgres.url(fresh_database_name, "shifty_app"))
    with postgres.admin(fresh_database_name) as admin:
        admin.execute(sabotage)
        try:
            with pytest.raises(IsolationBroken) as refusal:
                guard_isolation(engine)
        finally:
            admin.execute("REVOKE shifty_owner FROM shifty_app")  # memberships are the cluster's, not the database's
            engine.dispose()
    assert any(finding in line for line in refusal.value.findings), refusal.value.findings


def test_a_table_made_by_create_table_as_is_isolated_at_once(postgres: TestServer, fresh_database_name: str) -> None:
    with postgres.admin(fresh_database_name) as admin:
        admin.execute("SET ROLE shifty_owner")
        admin.execute("CREATE TABLE mart AS SELECT gen_random_uuid() AS tenant_id, 1 AS n")
        admin.execute("CREATE TEMP TABLE passing AS SELECT gen_random_uuid() AS tenant_id")
        rows = admin.execute(
            "SELECT relname, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)"
            " FROM pg_class c WHERE relname IN ('mart', 'passing') ORDER BY 1"
        ).fetchall()
    assert rows == [("mart", True, 2), ("passing", False, 0)]


def test_enqueue_takes_the_tenant_from_the_transaction(app_database: Database) -> None:
    with pytest.raises(DBAPIError, match="needs a tenant"), app_database.platform_transaction() as session:
        session.execute(text("SELECT platform.enqueue('outbox', gen_random_uuid())"))
