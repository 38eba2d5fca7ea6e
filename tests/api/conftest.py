"""A platform on the run's database, its gateway in process, and worlds: tenants with people and objects in them."""

import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import GATEWAY
from shifty_pipelines.bootstrap import Assembly, Platform, build_platform
from shifty_pipelines.contexts.tenancy.adapters.argon2_passwords import Argon2Passwords
from shifty_pipelines.contexts.tenancy.adapters.memory_mail import MemoryMail
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
from shifty_pipelines.flows.entrance import found_tenant, sign_in
from shifty_pipelines.flows.open_dataset import CuratedDatasets
from shifty_pipelines.flows.training_data import DatasetSource
from shifty_pipelines.kernel.clock import FixedClock, SystemClock
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.provisioning import DatabaseUrls
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from shifty_pipelines.settings import Settings
from tests.api.dataset_world import DatasetShelf
from tests.api.model_world import ModelShelf
from tests.conftest import TestServer
from tests.receivers import Receiver, receiver
from tests.tiny_models import Tables
from tests.trainer.conftest import write_base_model

PASSWORD = "correct horse battery staple"
LABELS = ["bad_input", "stale_state", "upstream_data"]


def quick_assembly(datasets: DatasetSource | None = None) -> Assembly:
    """Production's parts, but passwords hashed at Argon2's smallest cost."""
    passwords = Argon2Passwords(time_cost=1, memory_cost_kib=8, parallelism=1)
    return Assembly(clock=SystemClock(), ids=RandomIds(), passwords=passwords, datasets=datasets or CuratedDatasets())


def platform_on(
    postgres: TestServer,
    database: str,
    home: Path,
    *,
    datasets: DatasetSource | None = None,
    assembly: Assembly | None = None,
    **settings: Any,
) -> Platform:
    urls = DatabaseUrls(
        admin=None,
        app=postgres.url(database, "shifty_app"),
        worker=postgres.url(database, "shifty_worker"),
        dbt=postgres.url(database, "shifty_dbt"),
        dagster="",
    )
    return build_platform(Settings(home=home, **settings), urls=urls, assembly=assembly or quick_assembly(datasets))


@pytest.fixture(scope="session")
def platform(postgres: TestServer, database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("home")
    write_base_model(home / "models" / "tiny")
    platform = platform_on(postgres, database_name, home, datasets=Tables())
    yield platform
    platform.dispose()


@pytest.fixture(scope="session")
def gateway(platform: Platform) -> TestClient:
    return TestClient(create_app(platform, GATEWAY), raise_server_exceptions=False)


@dataclass
class Person:
    """Somebody with a token."""

    id: str
    email: str
    role: Role
    token: str
    client: TestClient = field(repr=False)

    def call(self, verb: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.client.request(verb, path, headers=headers, **options)

    def data(self, verb: str, path: str, **options: Any) -> Any:
        answer = self.call(verb, path, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]


@dataclass
class World:
    """One tenant with a person of every role, able to make what routes need."""

    tenant_id: str
    slug: str
    people: dict[Role, Person]
    platform: Platform

    @property
    def owner(self) -> Person:
        return self.people[Role.OWNER]

    @property
    def member(self) -> Person:
        return self.people[Role.MEMBER]

    def set_labels(self) -> None:
        path = f"/api/v1/tenants/{self.tenant_id}/label-sets/classify_error"
        self.owner.data("PUT", path, json={"labels": LABELS})

    def mission(self, author: "Person | None" = None, **fields: Any) -> str:
        body = {
            "type": "classify_error",
            "title": "What caused this?",
            "payload": {"message": f"boom {secrets.token_hex(4)}"},
            **fields,
        }
        path = f"/api/v1/tenants/{self.tenant_id}/missions"
        return str((author or self.owner).data("POST", path, json=body)["id"])

    def error_event(self) -> str:
        return str(self.owner.data("POST", "/api/v1/errors", json=error_body(self.tenant_id))["id"])

    @property
    def models(self) -> ModelShelf:
        """This tenant's models, made without training."""
        return ModelShelf(self.platform, TenantId(uuid.UUID(self.tenant_id)))

    @property
    def datasets(self) -> DatasetShelf:
        """This tenant's datasets, made without a materialisation."""
        return DatasetShelf(self.platform, TenantId(uuid.UUID(self.tenant_id)))

    def drain(self) -> None:
        """Deliver what is in the outbox, as the sidecar would."""
        dispatcher = self.platform.dispatcher()
        dispatcher.drain()
        dispatcher.settle()


def error_body(tenant_id: str) -> dict[str, Any]:
    return {
        "tenantId": tenant_id,
        "source": "sentry",
        "externalId": secrets.token_hex(8),
        "errorType": "KeyError",
        "message": "'id'",
        "stackTrace": "Traceback ...",
        "severity": "high",
        "environment": "production",
        "service": "shop",
    }


def make_world(platform: Platform, client: TestClient) -> World:
    number = secrets.token_hex(4)
    new = {
        role: NewUser(
            email=f"{role}-{number}@test.example", password=PASSWORD, first_name=role, last_name="Test", role=role
        )
        for role in Role
    }
    founded = found_tenant(platform, NewTenant(name=f"T {number}", slug=f"t-{number}"), new[Role.OWNER])
    tenant_id = TenantId(founded.tenant.tenant_id)
    with platform.open(system_actor(tenant_id)) as services:
        for role in (Role.ADMIN, Role.MEMBER, Role.VIEWER):
            services.tenancy.add_user(new[role])
    people = {}
    for role, user in new.items():
        signed_in = sign_in(platform, user.email, PASSWORD, client_address="192.0.2.1")
        people[role] = Person(str(signed_in.user.id), user.email, role, signed_in.token, client)
    return World(str(tenant_id), f"t-{number}", people, platform)


@dataclass
class House:
    """A platform of its own: its clock stands until it is moved, its mail stays in memory, its outbox is its own."""

    platform: Platform
    clock: FixedClock
    mail: MemoryMail
    world: World
    app: ASGIApp
    postgres: TestServer
    database: str

    def client(self, address: str = "198.51.100.1") -> TestClient:
        """A client that comes from this address."""
        return TestClient(self.app, raise_server_exceptions=False, client=(address, 50_000))

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database holds, seen past every policy."""
        with self.postgres.admin(self.database) as admin:
            return admin.execute(statement, values).fetchall()

    def audited(self, action: str) -> int:
        """How many audit rows of this action there are, in any tenant."""
        return int(self.rows("SELECT count(*) FROM audit_events WHERE action = %s", action)[0][0])


@pytest.fixture
def house(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[House]:
    clock, mail = FixedClock(datetime.now(UTC)), MemoryMail()
    assembly = replace(quick_assembly(), clock=clock, mailer=mail)
    platform = platform_on(postgres, fresh_database_name, tmp_path, assembly=assembly)
    # One application for all clients: FastAPI builds its routes on the first request, and not for two threads at once.
    app = create_app(platform, GATEWAY)
    client = TestClient(app, raise_server_exceptions=False, client=("198.51.100.1", 50_000))
    for route in ("login", "refresh", "accept-invitation"):
        client.post(f"/api/v1/auth/{route}", json={})
    yield House(platform, clock, mail, make_world(platform, client), app, postgres, fresh_database_name)
    platform.dispose()


@pytest.fixture
def site(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[Any]:
    """A platform of its own whose webhooks may go to this machine: `tests.api.webhook_site.Site`."""
    from tests.api.webhook_site import hook_site

    yield from hook_site(postgres, fresh_database_name, tmp_path)


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def world(platform: Platform, gateway: TestClient) -> World:
    return make_world(platform, gateway)


@pytest.fixture
def new_world(platform: Platform, gateway: TestClient) -> Callable[[], World]:
    return lambda: make_world(platform, gateway)


def random_address() -> str:
    return f"{secrets.token_hex(8)}@elsewhere.example"


def random_id() -> str:
    return str(uuid.uuid4())
