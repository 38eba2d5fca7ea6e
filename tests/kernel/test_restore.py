"""After a restore: what was erased stays erased, and what cannot belong together is refused."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from shifty_pipelines.kernel.clock import SystemClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.keys import KeyErased, KeyFileTooShort, MemoryKeySlots
from shifty_pipelines.kernel.restore import RestoreReport, WrongInstallation, check_restore
from shifty_pipelines.kernel.tenant import TenantId
from tests.conftest import INSTALLATION_ID, TestServer


@pytest.fixture
def databases(postgres: TestServer, fresh_database_name: str) -> Iterator[tuple[Database, Database]]:
    app = Database(postgres.url(fresh_database_name, "shifty_app"), application_name="tests")
    worker = Database(postgres.url(fresh_database_name, "shifty_worker"), application_name="tests")
    yield app, worker
    app.dispose()
    worker.dispose()


@pytest.fixture
def tenant_id(databases: tuple[Database, Database]) -> TenantId:
    tenant_id = TenantId(uuid.uuid4())
    with databases[0].platform_transaction() as session:
        session.execute(text("SELECT platform.create_tenant(:t, 'restored', false)"), {"t": tenant_id})
    return tenant_id


@pytest.fixture
def check(databases: tuple[Database, Database]) -> Callable[[MemoryKeySlots], RestoreReport]:
    return lambda keys: check_restore(*databases, keys, SystemClock(), installation=uuid.UUID(INSTALLATION_ID))


def record_erasure(app: Database, tenant_id: TenantId, slot: int) -> None:
    with app.tenant_transaction(tenant_id) as scope:
        scope.session.execute(
            text("INSERT INTO key_erasures (tenant_id, key_slot, erased_at) VALUES (:t, :s, now())"),
            {"t": tenant_id, "s": slot},
        )


def test_an_older_slot_file_is_erased_again_by_what_the_database_remembers(
    databases: tuple[Database, Database], tenant_id: TenantId, check: Callable[[MemoryKeySlots], RestoreReport]
) -> None:
    restored_file = MemoryKeySlots()
    restored_file.allocate(tenant_id, 3)
    record_erasure(databases[0], tenant_id, 1)
    report = check(restored_file)
    assert (report.tenants, report.erased_in_files, report.recorded_in_database) == (1, 1, 0)
    with pytest.raises(KeyErased):
        restored_file.open(tenant_id, 1)
    assert len(restored_file.open(tenant_id, 2)) == 32
    assert check(restored_file).erased_in_files == 0


def test_an_older_database_learns_what_the_slot_file_remembers(
    databases: tuple[Database, Database], tenant_id: TenantId, check: Callable[[MemoryKeySlots], RestoreReport]
) -> None:
    keys = MemoryKeySlots()
    keys.allocate(tenant_id, 3)
    keys.erase(tenant_id, [2])
    assert check(keys).recorded_in_database == 1
    with databases[0].tenant_transaction(tenant_id) as scope:
        assert scope.session.scalars(text("SELECT key_slot FROM key_erasures")).all() == [2]
    assert check(keys).recorded_in_database == 0


def test_a_row_beyond_the_slot_files_end_refuses_to_start(
    databases: tuple[Database, Database], tenant_id: TenantId, check: Callable[[MemoryKeySlots], RestoreReport]
) -> None:
    keys = MemoryKeySlots()
    keys.allocate(tenant_id, 2)
    with databases[0].tenant_transaction(tenant_id) as scope:
        scope.session.execute(
            text(
                "INSERT INTO items (tenant_id, id, mission_type, source, key_slot, sealed, created_at)"
                " VALUES (:t, gen_random_uuid(), 'classify_error', 'api', 2, 'x', now())"
            ),
            {"t": tenant_id},
        )
    with pytest.raises(KeyFileTooShort):
        check(keys)
    keys.allocate(tenant_id, 1)
    check(keys)


def test_another_installations_database_refuses_to_start(databases: tuple[Database, Database]) -> None:
    with pytest.raises(WrongInstallation, match="SHIFTY_HOME"):
        check_restore(*databases, MemoryKeySlots(), SystemClock(), installation=uuid.uuid4())
