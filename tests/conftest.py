"""One embedded PostgreSQL for the whole run, one database per worker cloned from a migrated template."""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import structlog
from filelock import FileLock
from psycopg import sql

from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres, PostgresAddress
from shifty_pipelines.kernel.migrations import migrate
from shifty_pipelines.kernel.roles import RolePasswords, bootstrap_roles

HOME_VARIABLE = "SHIFTY_TEST_HOME"
INSTALLATION_ID = "11111111-1111-4111-8111-111111111111"
TEMPLATE = "shifty_template"
MAJOR = 18 if os.environ.get("SHIFTY_TEST_POSTGRES") == "18" else 16


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[HOME_VARIABLE] = tempfile.mkdtemp(prefix="shifty-tests-")


@pytest.fixture(autouse=True, scope="session")
def quiet_logs() -> None:
    """Logs go where nobody looks unless a test asks for them; failures then show what matters."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        home = Path(os.environ[HOME_VARIABLE])
        server = EmbeddedPostgres(home, major=MAJOR)
        if server.data_dir.exists():
            server.stop()
            shutil.rmtree(server.data_dir.parent, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class TestServer:
    """The run's server, and the passwords of its login roles."""

    __test__ = False
    address: PostgresAddress
    passwords: RolePasswords

    def url(self, database: str, role: str) -> str:
        return self.address.url(database=database, user=role, password=self.passwords.by_role[role])

    def admin_url(self, database: str) -> str:
        return self.address.url(database=database)

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.address.socket_dir),
            port=self.address.port,
            user=self.address.user,
            password=self.address.password,
            dbname=database,
            autocommit=True,
        )

    def clone(self, name: str) -> str:
        """A fresh, migrated database (0.1 s)."""
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
            )
            # Grants on the database itself are not part of a template.
            connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO shifty_app, shifty_worker, shifty_dbt").format(
                    sql.Identifier(name)
                )
            )
        return name


@pytest.fixture(scope="session")
def postgres() -> TestServer:
    home = Path(os.environ[HOME_VARIABLE])
    # The same passwords in every worker of this run; the server dies with it.
    passwords = RolePasswords({role: f"{role}-of-this-test-run" for role in RolePasswords.generate().by_role})
    with FileLock(home / "template.lock"):
        address = EmbeddedPostgres(home, major=MAJOR).start()
        server = TestServer(address, passwords)
        if not (home / "template.ready").exists():
            with server.admin() as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            with server.admin(TEMPLATE) as connection:
                bootstrap_roles(connection, passwords, INSTALLATION_ID)
            migrate(server.admin_url(TEMPLATE))
            (home / "template.ready").touch()
    return server


@pytest.fixture(scope="session")
def database_name(postgres: TestServer, worker_id: str) -> str:
    return postgres.clone(f"shifty_{worker_id}")


@pytest.fixture(scope="session")
def app_database(postgres: TestServer, database_name: str) -> Iterator[Database]:
    database = Database(postgres.url(database_name, "shifty_app"), application_name="tests")
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def worker_database(postgres: TestServer, database_name: str) -> Iterator[Database]:
    database = Database(postgres.url(database_name, "shifty_worker"), application_name="tests-worker")
    yield database
    database.dispose()


@pytest.fixture
def fresh_database_name(postgres: TestServer) -> Iterator[str]:
    """A database of this test alone, for what is said about an empty platform."""
    name = f"shifty_fresh_{uuid.uuid4().hex}"
    yield postgres.clone(name)
    with postgres.admin() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def new_tenant(app_database: Database) -> Callable[[], uuid.UUID]:
    """Tenants keep tests apart: each test works in tenants of its own, so nothing is cleaned up between tests."""

    def create() -> uuid.UUID:
        from sqlalchemy import text

        tenant_id = uuid.uuid4()
        with app_database.platform_transaction() as session:
            session.execute(
                text("SELECT platform.create_tenant(:id, :slug, false)"), {"id": tenant_id, "slug": f"t-{tenant_id}"}
            )
        return tenant_id

    return create
