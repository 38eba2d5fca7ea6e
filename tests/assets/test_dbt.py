"""dbt as assets: each tenant's rows and no others, tests that bite, and no secret left behind."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from sqlalchemy import create_engine

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.definitions import build_definitions
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.isolation import guard_isolation
from shifty_pipelines.kernel.provisioning import DatabaseUrls
from shifty_pipelines.kernel.run_directories import RunDirectories
from shifty_pipelines.resources.dbt import DBT, PROJECT, dbt_environment
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.resources.worker_tags import WORKER_TAG
from shifty_pipelines.settings import Settings
from tests.conftest import TestServer
from tests.kernel.test_isolation import reachable, tenant_tables

MART = "marts.fct_labels_per_day"
STAGING = dg.AssetKey(["staging", "stg_curation__label_events"])
ANN, BOB, CAT = (uuid.UUID(int=number) for number in (1, 2, 3))


class GivenPlatform(PlatformResource):
    """The platform of the test instead of one made from settings."""

    @contextmanager
    def opened(self) -> Iterator[Platform]:
        yield _given[0]


_given: list[Platform] = []


class KeptDirectories(RunDirectories):
    """Run directories that stay, so that a test can look at what dbt wrote."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    @contextmanager
    def private(self, name: str) -> Iterator[Path]:
        directory = self.root / name
        directory.mkdir(parents=True)
        yield directory


@dataclass
class Warehouse:
    """A database of this module alone, the platform on it, and Dagster's memory of its runs."""

    postgres: TestServer
    database: str
    runs: Path
    instance: dg.DagsterInstance

    @property
    def dbt_url(self) -> str:
        return self.postgres.url(self.database, "shifty_dbt")

    def admin(self) -> psycopg.Connection:
        return self.postgres.admin(self.database)

    def tenant(self) -> uuid.UUID:
        tenant_id = uuid.uuid4()
        with self.admin() as admin:
            admin.execute("SELECT platform.create_tenant(%s, %s, false)", [tenant_id, f"t-{tenant_id}"])
        return tenant_id

    def item(self, tenant_id: uuid.UUID, mission_type: str) -> uuid.UUID:
        item_id = uuid.uuid4()
        with self.admin() as admin:
            admin.execute(
                "INSERT INTO items (tenant_id, id, mission_type, source, key_slot, sealed, created_at)"
                " VALUES (%s, %s, %s, 'test', 1, 'x', now())",
                [tenant_id, item_id, mission_type],
            )
        return item_id

    def label(
        self, tenant_id: uuid.UUID, item_id: uuid.UUID, labeler: uuid.UUID, at: str, *, source: str = "mission"
    ) -> uuid.UUID:
        event_id = uuid.uuid4()
        with self.admin() as admin:
            admin.execute(
                "INSERT INTO label_events (tenant_id, id, item_id, labeler_id, kind, label, source, created_at)"
                " VALUES (%s, %s, %s, %s, 'label', 'bug', %s, %s)",
                [tenant_id, event_id, item_id, labeler, source, at],
            )
        return event_id

    def take_back(self, event_id: uuid.UUID) -> None:
        with self.admin() as admin:
            admin.execute(
                "INSERT INTO label_events"
                " (tenant_id, id, item_id, labeler_id, kind, source, tombstones, created_at)"
                " SELECT tenant_id, %s, item_id, labeler_id, 'tombstone', source, id, now() FROM label_events"
                " WHERE id = %s",
                [uuid.uuid4(), event_id],
            )

    def build(self, tenant_id: uuid.UUID) -> dg.ExecuteInProcessResult:
        self.instance.add_dynamic_partitions("tenants", [str(tenant_id)])
        job = build_definitions(platform=GivenPlatform()).resolve_job_def("marts")
        return job.execute_in_process(instance=self.instance, partition_key=str(tenant_id), raise_on_error=False)

    def rows(self, tenant_id: uuid.UUID) -> list[tuple[Any, ...]]:
        """The tenant's rows of the mart, read as superuser."""
        with self.admin() as admin:
            return admin.execute(
                "SELECT labeled_on::text, mission_type, source, label_count, withdrawn_count, item_count, labeler_count"
                f" FROM {MART} WHERE tenant_id = %s ORDER BY 1, 2, 3",
                [tenant_id],
            ).fetchall()

    def versions(self, tenant_id: uuid.UUID) -> set[tuple[Any, ...]]:
        """Which physical rows these are: rewritten rows have others."""
        with self.admin() as admin:
            return set(admin.execute(f"SELECT ctid::text FROM {MART} WHERE tenant_id = %s", [tenant_id]).fetchall())


@pytest.fixture(scope="module")
def warehouse(postgres: TestServer, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    name = postgres.clone(f"shifty_dbt_{worker_id}")
    urls = DatabaseUrls(
        admin=None,
        app=postgres.url(name, "shifty_app"),
        worker=postgres.url(name, "shifty_worker"),
        dbt=postgres.url(name, "shifty_dbt"),
        dagster="",
    )
    home = tmp_path_factory.mktemp("home")
    platform = build_platform(Settings(home=home), urls=urls)
    _given[:] = [replace(platform, runs=KeptDirectories(home / "kept"))]
    with dg.DagsterInstance.ephemeral() as instance:
        yield Warehouse(postgres, name, home / "kept", instance)
    platform.dispose()
    with postgres.admin() as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Pair:
    """Two tenants whose marts are built."""

    a: uuid.UUID
    b: uuid.UUID
    first: dg.ExecuteInProcessResult
    second: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def built(warehouse: Warehouse) -> Pair:
    a, b = warehouse.tenant(), warehouse.tenant()
    shared, other = warehouse.item(a, "classify_error"), warehouse.item(a, "verify_fix")
    warehouse.label(a, shared, ANN, "2026-03-01T10:00:00Z")
    warehouse.label(a, shared, BOB, "2026-03-01T11:00:00Z")
    warehouse.take_back(warehouse.label(a, shared, CAT, "2026-03-01T12:00:00Z"))
    warehouse.label(a, other, ANN, "2026-03-01T23:30:00-02:00", source="import")  # half past one of the 2nd in UTC
    warehouse.label(b, warehouse.item(b, "classify_error"), ANN, "2026-03-01T10:00:00Z")
    return Pair(a, b, warehouse.build(a), warehouse.build(b))


ROWS_OF_A = [
    ("2026-03-01", "classify_error", "mission", 2, 1, 1, 3),
    ("2026-03-02", "verify_fix", "import", 1, 0, 1, 1),
]
ROWS_OF_B = [("2026-03-01", "classify_error", "mission", 1, 0, 1, 1)]


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


def test_each_mart_holds_each_tenants_rows(warehouse: Warehouse, built: Pair) -> None:
    assert (built.first.success, built.second.success) == (True, True)
    assert warehouse.rows(built.a) == ROWS_OF_A
    assert warehouse.rows(built.b) == ROWS_OF_B
    with warehouse.admin() as admin:
        counts = admin.execute(f"SELECT tenant_id, count(*) FROM {MART} GROUP BY 1").fetchall()
    assert dict(counts) == {built.a: 2, built.b: 1}


def test_every_dbt_test_is_a_check_that_ran(warehouse: Warehouse, built: Pair) -> None:
    graph = build_definitions().resolve_asset_graph()
    known = {
        (key.asset_key, key.name) for key in graph.asset_check_keys if key.asset_key.path[0] in {"staging", "marts"}
    }
    ran = {(check.asset_key, check.check_name) for check in built.first.get_asset_check_evaluations()}
    assert len(known) == 24
    assert ran == known
    assert graph.get(STAGING).pools == {"dbt"}
    assert graph.get(STAGING).parent_keys == {dg.AssetKey(["curation", "labels"])}
    run = warehouse.instance.get_run_by_id(built.first.run_id)
    assert run is not None
    assert WORKER_TAG in run.tags


def test_a_second_run_rewrites_its_own_tenants_rows_and_no_others(warehouse: Warehouse, built: Pair) -> None:
    before_a, before_b = warehouse.versions(built.a), warehouse.versions(built.b)
    assert warehouse.build(built.a).success
    assert warehouse.rows(built.a) == ROWS_OF_A
    assert not before_a & warehouse.versions(built.a)
    assert warehouse.versions(built.b) == before_b


def test_a_tenant_without_labels_keeps_no_row(warehouse: Warehouse, built: Pair) -> None:
    tenant_id = warehouse.tenant()
    with warehouse.admin() as admin:
        admin.execute(f"INSERT INTO {MART} (tenant_id, labeled_on) VALUES (%s, '2026-01-01')", [tenant_id])
    assert warehouse.build(tenant_id).success
    assert warehouse.rows(tenant_id) == []
    assert warehouse.rows(built.b) == ROWS_OF_B


def test_a_planted_null_fails_its_check_and_leaves_the_mart_as_it_was(warehouse: Warehouse, built: Pair) -> None:
    tenant_id = warehouse.tenant()
    nameless = warehouse.label(tenant_id, warehouse.item(tenant_id, "verify_fix"), ANN, "2026-03-01T10:00:00Z")
    orphaned = warehouse.item(tenant_id, "verify_fix")
    warehouse.label(tenant_id, orphaned, ANN, "2026-03-01T10:00:00Z")
    with warehouse.admin() as admin, admin.transaction():
        # What a restore without its constraints, or of half the tables, leaves behind.
        admin.execute("ALTER TABLE label_events DROP CONSTRAINT label_events_check")
        admin.execute("UPDATE label_events SET label = NULL WHERE id = %s", [nameless])
        admin.execute("SET LOCAL session_replication_role = replica")
        admin.execute("DELETE FROM items WHERE id = %s", [orphaned])
    result = warehouse.build(tenant_id)
    assert not result.success
    assert failed_checks(result) == {
        "not_null_stg_curation__label_events_label",
        "not_null_stg_curation__label_events_mission_type",
        "label_events_have_items",
    }
    assert warehouse.rows(tenant_id) == []
    assert warehouse.rows(built.b) == ROWS_OF_B


def test_without_a_tenant_dbt_refuses_and_deletes_nothing(warehouse: Warehouse, built: Pair, tmp_path: Path) -> None:
    run = subprocess.run(
        [DBT, "build"],
        cwd=PROJECT,
        env=dbt_environment(warehouse.dbt_url, None, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "dbt runs for one tenant" in run.stdout
    assert (warehouse.rows(built.a), warehouse.rows(built.b)) == (ROWS_OF_A, ROWS_OF_B)


def test_the_application_reaches_no_other_tenants_rows_of_a_mart(warehouse: Warehouse, built: Pair) -> None:
    database = Database(warehouse.postgres.url(warehouse.database, "shifty_app"), application_name="attack")
    guard_isolation(database.engine)
    with database.tenant_transaction(built.a) as scope:  # type: ignore[arg-type]
        connection = scope.session.connection()
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {MART}").scalar() == 2
    marts = [table for table in tenant_tables(warehouse.postgres, warehouse.database) if table.startswith("marts.")]
    assert marts == [MART]
    assert [leak for mart in marts for leak in reachable(database, mart, built.a, uuid.uuid4())] == []
    database.dispose()


def test_a_new_mart_is_isolated_without_the_event_trigger_too(warehouse: Warehouse, built: Pair) -> None:
    tenant_id = warehouse.tenant()
    engine = create_engine(warehouse.postgres.url(warehouse.database, "shifty_app"))
    with warehouse.admin() as admin:
        admin.execute("ALTER EVENT TRIGGER shifty_isolate_new_tables DISABLE")  # a managed server has none
        admin.execute(f"ALTER TABLE {MART} RENAME TO elsewhere")
        try:
            assert warehouse.build(tenant_id).success
            guard_isolation(engine)
        finally:
            admin.execute(f"DROP TABLE {MART}")
            admin.execute(f"ALTER TABLE marts.elsewhere RENAME TO {MART.removeprefix('marts.')}")
            admin.execute("ALTER EVENT TRIGGER shifty_isolate_new_tables ENABLE")
            engine.dispose()


def test_the_password_is_in_no_artefact_log_or_event(warehouse: Warehouse, built: Pair) -> None:
    password = warehouse.postgres.passwords.by_role["shifty_dbt"].encode()
    written = [path for path in warehouse.runs.rglob("*") if path.is_file()]
    assert {"manifest.json", "run_results.json", "dbt.log", "partial_parse.msgpack"} <= {path.name for path in written}
    assert [path for path in written if password in path.read_bytes()] == []
    records = warehouse.instance.get_records_for_run(built.first.run_id).records
    assert records
    assert password.decode() not in " ".join(str(record.event_log_entry) for record in records)
    assert [name for name in ("target", "logs") if (PROJECT / name).exists()] == []


def test_every_view_has_its_readers_rights_and_is_not_the_applications(warehouse: Warehouse, built: Pair) -> None:
    with warehouse.admin() as admin:
        views = admin.execute(
            "SELECT relname, reloptions, has_table_privilege('shifty_app', oid, 'SELECT') FROM pg_class"
            " WHERE relnamespace = 'marts'::regnamespace AND relkind = 'v'"
        ).fetchall()
    assert views == [("stg_curation__label_events", ["security_invoker=true"], False)]


def test_a_migration_may_drop_what_dbt_built(warehouse: Warehouse, built: Pair) -> None:
    with warehouse.admin() as admin, admin.transaction(force_rollback=True):
        admin.execute("SET LOCAL ROLE shifty_owner")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="used by a view"), admin.transaction():
            admin.execute("ALTER TABLE label_events ALTER COLUMN label TYPE varchar(200)")
        admin.execute("DROP VIEW marts.stg_curation__label_events")
        admin.execute("ALTER TABLE label_events ALTER COLUMN label TYPE varchar(200)")


@pytest.mark.parametrize(
    ("name", "sabotage"),
    [
        pytest.param(
            "labels_per_day_grain",
            f"DROP INDEX marts.{{index}}; INSERT INTO {MART} SELECT * FROM {MART} WHERE tenant_id = '{{tenant}}'",
            id="a row twice",
        ),
        pytest.param(
            "labels_per_day_counts_every_label", f"DELETE FROM {MART} WHERE label_count = 1", id="a row missing"
        ),
        pytest.param(
            "labels_per_day_counts_every_label",
            f"DROP POLICY tenant_rows ON {MART}",
            id="forced, but without the policy that shows rows",
        ),
        pytest.param(
            "of_this_tenant_fct_labels_per_day_tenant_id",
            f"ALTER TABLE {MART} NO FORCE ROW LEVEL SECURITY",
            id="not forced",
        ),
        pytest.param(
            "labels_per_day_known_sources",
            f"UPDATE {MART} SET source = 'rumour' WHERE label_count = 1",
            id="a source that is none",
        ),
    ],
)
def test_each_test_of_the_mart_bites(warehouse: Warehouse, built: Pair, name: str, sabotage: str) -> None:
    (statement,) = {
        path.read_text() for path in warehouse.runs.glob(f"dbt-{built.first.run_id}/compiled/**/{name}.sql")
    }

    def failures() -> int:
        admin.execute("SELECT set_config('app.tenant_id', %s, true)", [str(built.a)])
        with admin.transaction(force_rollback=True):
            admin.execute("SET LOCAL ROLE shifty_dbt")
            return len(admin.execute(statement.encode()).fetchall())

    with warehouse.admin() as admin, admin.transaction(force_rollback=True):
        assert failures() == 0
        (index,) = admin.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'marts' AND indexdef LIKE 'CREATE UNIQUE%'"
        ).fetchone() or ("",)
        admin.execute(sabotage.format(index=f'"{index}"', tenant=built.a).encode())
        assert failures() > 0


def test_dbt_may_read_these_columns_and_write_no_table_of_the_platform(
    postgres: TestServer, database_name: str
) -> None:
    with postgres.admin(database_name) as admin:
        readable = admin.execute(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
            " AND NOT a.attisdropped AND has_column_privilege('shifty_dbt', c.oid, a.attnum, 'SELECT')"
        ).fetchall()
        writable = admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND (has_table_privilege('shifty_dbt', oid, 'INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')"
            " OR has_any_column_privilege('shifty_dbt', oid, 'INSERT,UPDATE,REFERENCES'))"
        ).fetchall()
        schemas = admin.execute(
            "SELECT nspname, nspowner::regrole::text FROM pg_namespace"
            " WHERE has_schema_privilege('shifty_dbt', oid, 'CREATE')"
        ).fetchall()
    assert {column for table, column in readable if table == "items"} == {"tenant_id", "id", "mission_type"}
    assert {table for table, _ in readable} == {"items", "label_events"}
    assert writable == []
    assert schemas == [("marts", "shifty_owner")]
