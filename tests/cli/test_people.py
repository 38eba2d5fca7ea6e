"""`shifty users`, `shifty api-keys` and `shifty webhooks`, run in process against a database of their own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import GATEWAY
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.cli import app
from shifty_pipelines.kernel.secret_files import secret_file
from tests.api.conftest import PASSWORD, World, make_world, platform_on
from tests.conftest import TestServer

Shifty = Callable[..., Result]


@pytest.fixture
def home(postgres: TestServer, tmp_path: Path) -> Path:
    for role, password in postgres.passwords.by_role.items():
        secret_file(tmp_path / "secrets", f"role-{role}", default=password)
    return tmp_path


@pytest.fixture
def platform(postgres: TestServer, fresh_database_name: str, home: Path) -> Iterator[Platform]:
    platform = platform_on(postgres, fresh_database_name, home)
    yield platform
    platform.dispose()


@pytest.fixture
def client(platform: Platform) -> TestClient:
    return TestClient(create_app(platform, GATEWAY))


@pytest.fixture
def world(platform: Platform, client: TestClient) -> World:
    return make_world(platform, client)


@pytest.fixture
def shifty(postgres: TestServer, fresh_database_name: str, home: Path, world: World) -> Shifty:
    url = postgres.url(fresh_database_name, "shifty_app").replace("postgresql+psycopg://", "postgresql://")

    def run(*arguments: str) -> Result:
        environment = {"SHIFTY_HOME": str(home), "DATABASE_URL": url}
        return CliRunner().invoke(app, [*arguments, "--tenant", world.slug], env=environment)

    return run


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return list(json.loads(result.stdout))


def test_an_invitation_made_listed_and_revoked(shifty: Shifty, client: TestClient) -> None:
    invite = ("users", "invite", "ada@test.example", "--role", "admin", "--grant", "lead", "--grant", "legal", "--json")
    (invited,) = rows(shifty(*invite))
    assert "#token=" in invited["link"]
    (shown,) = rows(shifty("users", "invitations", "--json"))
    assert (shown["status"], shown["role"], shown["grants"]) == ("pending", "admin", ["lead", "legal"])
    assert shifty("users", "revoke-invitation", invited["id"]).exit_code == 0
    assert rows(shifty("users", "invitations", "--json"))[0]["status"] == "revoked"
    token = invited["link"].partition("#token=")[2]
    body = {"token": token, "password": PASSWORD, "firstName": "Ada", "lastName": "L"}
    assert client.post("/api/v1/auth/accept-invitation", json=body).status_code == 409


def test_the_operators_invitation_is_accepted_like_any_other(shifty: Shifty, client: TestClient) -> None:
    (invited,) = rows(shifty("users", "invite", "ada@test.example", "--role", "owner", "--json"))
    token = invited["link"].partition("#token=")[2]
    body = {"token": token, "password": PASSWORD, "firstName": "Ada", "lastName": "L"}
    answer = client.post("/api/v1/auth/accept-invitation", json=body)
    assert (answer.status_code, answer.json()["data"]["user"]["role"]) == (201, "owner")


def test_a_password_set_by_the_operator_ends_every_session(shifty: Shifty, client: TestClient, world: World) -> None:
    (shown,) = rows(shifty("users", "set-password", world.member.email, "--json"))
    assert world.member.call("POST", "/api/v1/auth/verify").status_code == 401
    for password, status in ((PASSWORD, 401), (shown["password"], 200)):
        body = {"email": world.member.email, "password": password}
        assert client.post("/api/v1/auth/login", json=body).status_code == status


def test_a_status_set_by_the_operator_ends_every_session(shifty: Shifty, world: World) -> None:
    assert shifty("users", "update", world.member.email, "--status", "suspended").exit_code == 0
    assert world.member.call("POST", "/api/v1/auth/verify").status_code == 401


def test_the_last_owner_stays_one(shifty: Shifty, world: World) -> None:
    refused = shifty("users", "update", world.owner.email, "--role", "member")
    assert type(refused.exception).__name__ == "LastOwner"
    assert world.owner.call("POST", "/api/v1/auth/verify").json()["user"]["role"] == "owner"


def test_a_key_made_used_listed_and_revoked(shifty: Shifty, client: TestClient, world: World) -> None:
    create = ("api-keys", "create", world.member.email, "--name", "ci", "--scope", "read", "--scope", "report")
    (made,) = rows(shifty(*create, "--json"))
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert client.get("/api/v1/users", headers=headers).status_code == 200
    (shown,) = rows(shifty("api-keys", "list", "--json"))
    assert (shown["id"], shown["scopes"], shown["user_id"]) == (made["id"], ["read", "report"], world.member.id)
    assert made["key"] not in json.dumps(shown)
    assert shown["last_used_at"]
    assert shifty("api-keys", "revoke", made["id"]).exit_code == 0
    assert client.get("/api/v1/users", headers=headers).status_code == 401


def test_a_key_for_a_viewer_gets_no_scope_beyond_reading(shifty: Shifty, world: World) -> None:
    from shifty_pipelines.kernel.tenant import Role

    viewer = world.people[Role.VIEWER].email
    refused = shifty("api-keys", "create", viewer, "--name", "ci", "--scope", "train")
    assert type(refused.exception).__name__ == "ScopeAboveOwnRights"


def test_a_person_of_another_tenant_is_not_found(shifty: Shifty, platform: Platform, client: TestClient) -> None:
    other = make_world(platform, client)
    refused = shifty("users", "set-password", other.member.email)
    assert type(refused.exception).__name__ == "NotFound"
    assert other.member.call("POST", "/api/v1/auth/verify").status_code == 200


def test_webhooks_are_listed_read_and_replayed(shifty: Shifty, world: World, platform: Platform) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/webhook-endpoints"
    body = {"url": "https://hooks.invalid/shifty", "eventTypes": ["mission.settled"]}
    endpoint = world.owner.data("POST", path, json=body)["id"]
    (listed,) = rows(shifty("webhooks", "list", "--json"))
    assert (listed["id"], listed["url"], listed["enabled"]) == (endpoint, body["url"], True)
    ping = world.owner.data("POST", f"{path}/{endpoint}/ping")["id"]
    assert [row["id"] for row in rows(shifty("webhooks", "log", endpoint, "--json"))] == [ping]
    assert rows(shifty("webhooks", "log", endpoint, "--status", "delivered", "--json")) == []
    (replayed,) = rows(shifty("webhooks", "replay", endpoint, ping, "--json"))
    assert (replayed["id"], replayed["status"], replayed["attempts"]) == (ping, "pending", 0)
