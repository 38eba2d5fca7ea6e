import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import TenantId
from tests.conftest import TestServer
from tests.flows.stage import FlowStage


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> FlowStage:
    return FlowStage(app_database, TenantId(new_tenant()))


@pytest.fixture
def alone(postgres: TestServer, fresh_database_name: str) -> Iterator[tuple[FlowStage, Database]]:
    """A stage with a database of its own, and the worker that empties its outbox: no other test's events are in it."""
    app = Database(postgres.url(fresh_database_name, "shifty_app"), application_name="tests")
    worker = Database(postgres.url(fresh_database_name, "shifty_worker"), application_name="tests-worker")
    stage = FlowStage(app, TenantId(uuid.uuid4()))
    with app.platform_transaction() as session:
        session.execute(text("SELECT platform.create_tenant(:id, 'alone', false)"), {"id": stage.tenant_id})
    yield stage, worker
    app.dispose()
    worker.dispose()
