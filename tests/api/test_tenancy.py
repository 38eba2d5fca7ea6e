"""Tenant manager and auth service over HTTP."""

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import AUTH, GATEWAY, TENANT_MANAGER
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import PASSWORD, World, platform_on, random_id
from tests.conftest import TestServer

FLAT_KEYS = {"error", "code", "message", "correlationId"}


def registration(name: str = "Acme") -> dict[str, str]:
    return {
        "email": f"{secrets.token_hex(6)}@acme.example",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "tenantName": name,
    }


def fresh(postgres: TestServer, database: str, home: Path, **settings: Any) -> Iterator[TestClient]:
    platform = platform_on(postgres, database, home, **settings)
    yield TestClient(create_app(platform, GATEWAY), raise_server_exceptions=False)
    platform.dispose()


@pytest.fixture
def closed(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[TestClient]:
    yield from fresh(postgres, fresh_database_name, tmp_path)


@pytest.fixture
def opened(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[TestClient]:
    yield from fresh(postgres, fresh_database_name, tmp_path, open_registration=True)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_registering_answers_200_with_user_token_and_tenant_in_the_flat_shape(closed: TestClient) -> None:
    body = registration("Acme  & Co")
    answer = closed.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 200
    registered = answer.json()
    assert registered["user"]["email"] == body["email"]
    assert registered["user"]["role"] == "owner"
    assert registered["tenant"]["slug"] == "acme-co"
    assert {"created_at", "createdAt", "database_url", "databaseUrl"} <= set(registered["tenant"])
    assert "password" not in answer.text.lower()
    claims = jwt.decode(registered["token"], options={"verify_signature": False})
    assert claims["userId"] == registered["user"]["id"]
    assert claims["tenantId"] == registered["tenant"]["id"]
    assert (claims["iss"], claims["role"], claims["exp"] - claims["iat"]) == ("shifty-auth", "owner", 24 * 3600)


def test_registration_closes_with_the_first_tenant(closed: TestClient) -> None:
    assert closed.post("/api/v1/auth/register", json=registration()).status_code == 200
    refused = closed.post("/api/v1/auth/register", json=registration("Other"))
    assert refused.status_code == 403
    assert refused.json()["code"] == "auth.registration_closed"
    assert set(refused.json()) >= FLAT_KEYS


def test_two_first_registrations_at_once_give_one_tenant(closed: TestClient) -> None:
    statuses: list[int] = []

    def register(name: str) -> None:
        statuses.append(closed.post("/api/v1/auth/register", json=registration(name)).status_code)

    threads = [threading.Thread(target=register, args=(f"First {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 403, 403, 403, 403, 403]


def test_an_address_and_a_slug_are_taken_once_and_nothing_half_written_stays(opened: TestClient) -> None:
    first = registration("Acme")
    assert opened.post("/api/v1/auth/register", json=first).status_code == 200
    same_slug = opened.post("/api/v1/auth/register", json=registration("ACME"))
    assert (same_slug.status_code, same_slug.json()["code"]) == (409, "tenancy.slug_taken")
    same_person = opened.post("/api/v1/auth/register", json={**registration("Beta"), "email": first["email"].upper()})
    assert (same_person.status_code, same_person.json()["error"]) == (409, "User already exists")
    # The refused tenant left nothing behind: its name is still free.
    assert opened.post("/api/v1/auth/register", json=registration("Beta")).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"email": "not-an-address"}, "email"),
        ({"firstName": ""}, "firstName"),
        ({"lastName": "a\x00b"}, "lastName"),
        ({"tenantName": None}, "tenantName"),
        ({"tenantName": "???"}, "tenantName"),
        ({"password": "x" * 1025}, "password"),
    ],
)
def test_a_malformed_registration_is_400_and_names_the_field(
    closed: TestClient, change: dict[str, Any], field: str
) -> None:
    answer = closed.post("/api/v1/auth/register", json={**registration(), **change})
    assert answer.status_code == 400
    assert field in answer.json()["error"]
    if "password" in change:
        assert change["password"] not in answer.text


def test_login_answers_without_the_tenant_and_wrong_credentials_say_nothing_more(world: World) -> None:
    client = world.owner.client
    good = client.post("/api/v1/auth/login", json={"email": world.owner.email.upper(), "password": PASSWORD})
    assert good.status_code == 200
    assert set(good.json()) == {"user", "token", "refreshToken", "expiresAt", "sessionExpiresAt"}
    bodies = []
    for email, password in ((world.owner.email, "wrong password"), ("nobody@nowhere.example", PASSWORD)):
        bad = client.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert bad.status_code == 401
        bodies.append({**bad.json(), "correlationId": ""})
    assert bodies[0] == bodies[1]
    assert bodies[0]["error"] == "Invalid credentials"


def test_logging_out_revokes_this_token_and_no_other(world: World) -> None:
    client = world.owner.client
    other = client.post("/api/v1/auth/login", json={"email": world.owner.email, "password": PASSWORD}).json()["token"]
    assert client.post("/api/v1/auth/logout", headers=bearer(other)).status_code == 200
    assert client.post("/api/v1/auth/verify", headers=bearer(other)).status_code == 401
    assert world.owner.call("POST", "/api/v1/auth/verify").json()["valid"] is True


def forged_tokens(world: World) -> Iterator[tuple[str, str]]:
    """Attacks on the token, by name (RFC 8725)."""
    claims = jwt.decode(world.owner.token, options={"verify_signature": False})
    header, payload, signature = world.owner.token.split(".")

    def encoded(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    yield "alg none", f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    yield "other secret", jwt.encode(claims, "x" * 32, algorithm="HS256")
    yield "other algorithm", jwt.encode(claims, "x" * 64, algorithm="HS512")
    yield "changed payload", f"{header}.{encoded({**claims, 'role': 'owner', 'tenantId': random_id()})}.{signature}"
    yield "cut signature", f"{header}.{payload}.{signature[:-4]}"
    yield "empty signature", f"{header}.{payload}."
    yield "two dots", ".."
    yield "not a token", "hello"
    yield "kid traversal", f"{encoded({'alg': 'HS256', 'kid': '../../dev/null'})}.{payload}.{signature}"
    yield "huge", "a" * 20_000


def test_a_forged_token_is_401(world: World) -> None:
    answers = {
        name: world.owner.client.get("/api/v1/tenants", headers=bearer(token)) for name, token in forged_tokens(world)
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)


def test_a_token_signed_by_us_whose_claims_were_never_ours_is_401(world: World, platform: Platform) -> None:
    secret = platform.tokens._secret  # type: ignore[attr-defined]
    claims = jwt.decode(world.owner.token, options={"verify_signature": False})
    changes: list[dict[str, Any]] = [
        {"iss": "somebody"},
        {"jti": random_id()},
        {"userId": world.member.id},
        {"tenantId": random_id()},
        {"tenantId": "not-an-id"},
        {"role": "superadmin"},
        {"exp": 1},
        {"exp": 10**20},
        {"jti": None},
    ]
    for change in changes:
        token = jwt.encode({**claims, **change}, secret, algorithm="HS256")
        assert world.owner.client.get("/api/v1/tenants", headers=bearer(token)).status_code == 401, change
    assert world.owner.client.get("/api/v1/tenants", headers=bearer(world.owner.token)).status_code == 200


def test_the_tokens_role_is_not_believed(world: World, platform: Platform) -> None:
    claims = jwt.decode(world.member.token, options={"verify_signature": False})
    secret = platform.tokens._secret  # type: ignore[attr-defined]
    raised = jwt.encode({**claims, "role": "owner"}, secret, algorithm="HS256")
    answer = world.owner.client.put(f"/api/v1/tenants/{world.tenant_id}", json={"name": "Mine"}, headers=bearer(raised))
    assert answer.status_code == 403


def test_taking_a_right_away_takes_effect_on_the_next_request(world: World) -> None:
    admin = world.people[Role.ADMIN]
    assert admin.call("PUT", f"/api/v1/tenants/{world.tenant_id}", json={"name": "One"}).status_code == 200
    world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"role": "viewer"})
    assert admin.call("PUT", f"/api/v1/tenants/{world.tenant_id}", json={"name": "Two"}).status_code == 403
    world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"status": "suspended"})
    assert admin.call("GET", "/api/v1/tenants").status_code == 401
    login = {"email": admin.email, "password": PASSWORD}
    assert admin.client.post("/api/v1/auth/login", json=login).status_code == 401
    # Active again, the old session stays closed.
    world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"status": "active"})
    assert admin.call("GET", "/api/v1/tenants").status_code == 401
    assert admin.client.post("/api/v1/auth/login", json=login).status_code == 200


@pytest.mark.parametrize(
    ("actor", "target", "change", "code"),
    [
        (Role.ADMIN, Role.OWNER, {"role": "member"}, "tenancy.above_own_role"),
        (Role.ADMIN, Role.MEMBER, {"role": "owner"}, "tenancy.above_own_role"),
        (Role.MEMBER, Role.VIEWER, {"role": "member"}, "tenancy.above_own_role"),
        (Role.MEMBER, Role.VIEWER, {"firstName": "Bob"}, "tenancy.above_own_role"),
        (Role.ADMIN, Role.ADMIN, {"grants": ["deletion_approver"]}, "tenancy.own_rights"),
        (Role.OWNER, Role.OWNER, {"role": "member"}, "tenancy.own_rights"),
        (Role.MEMBER, Role.MEMBER, {"role": "admin"}, "tenancy.own_rights"),
    ],
)
def test_nobody_lifts_themselves_or_reaches_above_their_role(
    world: World, actor: Role, target: Role, change: dict[str, Any], code: str
) -> None:
    answer = world.people[actor].call("PUT", f"/api/v1/users/{world.people[target].id}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_the_last_active_owner_stays_one(world: World) -> None:
    admin = world.people[Role.ADMIN]
    world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"role": "owner"})
    assert admin.call("PUT", f"/api/v1/users/{world.owner.id}", json={"role": "member"}).status_code == 200
    back = world.owner.call("PUT", f"/api/v1/users/{admin.id}", json={"status": "inactive"})
    assert back.status_code == 403  # a member by now
    own = admin.call("PUT", f"/api/v1/users/{admin.id}", json={"status": "inactive"})
    assert own.json()["code"] == "tenancy.own_rights"


def test_two_owners_who_demote_each_other_at_once_leave_one(world: World) -> None:
    admin = world.people[Role.ADMIN]
    world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"role": "owner"})
    pairs = [(world.owner, admin), (admin, world.owner)]
    threads = [
        threading.Thread(
            target=one.call, args=("PUT", f"/api/v1/users/{other.id}"), kwargs={"json": {"role": "member"}}
        )
        for one, other in pairs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roles = [user["role"] for user in world.people[Role.VIEWER].data("GET", "/api/v1/users")]
    assert roles.count("owner") == 1


def test_everybody_changes_their_own_name(world: World) -> None:
    changed = world.member.data("PUT", f"/api/v1/users/{world.member.id}", json={"firstName": "Grace"})
    assert changed["firstName"] == "Grace"
    assert "password" not in json.dumps(changed).lower()


def test_server_owned_fields_are_refused_and_unknown_ones_ignored(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}"
    refused = world.owner.call("PUT", path, json={"name": "New", "status": "suspended"})
    assert refused.status_code == 400
    assert "status is set by the server" in refused.json()["error"]
    assert world.owner.call("PUT", path, json={"name": "New", "colour": "blue"}).status_code == 200


def test_an_empty_change_of_a_tenant_changes_nothing(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}"
    before = world.owner.data("GET", path)
    after = world.owner.data("PUT", path, json={})
    assert {**after, "updatedAt": 0, "updated_at": 0} == {**before, "updatedAt": 0, "updated_at": 0}


def test_a_deleted_tenant_ends_sessions_frees_slug_and_addresses_and_keeps_its_rows(
    world: World, postgres: TestServer, database_name: str
) -> None:
    assert world.owner.call("DELETE", f"/api/v1/tenants/{world.tenant_id}").json()["success"] is True
    for person in world.people.values():
        assert person.call("GET", "/api/v1/tenants").status_code == 401
    with postgres.admin(database_name) as admin:
        kept = admin.execute("SELECT count(*) FROM users WHERE tenant_id = %s", [world.tenant_id]).fetchone()
        audit = admin.execute(
            "SELECT count(*) FROM audit_events WHERE tenant_id = %s AND action = 'tenant.deleted'", [world.tenant_id]
        ).fetchone()
    assert kept == (4,)
    assert audit == (1,)
    from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
    from shifty_pipelines.flows.entrance import found_tenant

    again = found_tenant(
        world.platform,
        NewTenant(name="Again", slug=world.slug),
        NewUser(email=world.owner.email, password=PASSWORD, first_name="A", last_name="B", role=Role.OWNER),
    )
    assert str(again.tenant.tenant_id) != world.tenant_id


def test_tenants_are_created_by_owners_where_registration_is_open_and_stay_out_of_their_reach(
    opened: TestClient, world: World
) -> None:
    owner = opened.post("/api/v1/auth/register", json=registration("Parent")).json()
    body = {"name": "Child", "slug": "child", "adminEmail": "boss@child.example", "adminPassword": PASSWORD}
    created = opened.post("/api/v1/tenants", json=body, headers=bearer(owner["token"]))
    assert created.status_code == 201
    assert created.json()["data"]["plan"] == "starter"
    child = created.json()["data"]["id"]
    assert opened.get(f"/api/v1/tenants/{child}", headers=bearer(owner["token"])).status_code == 404
    assert opened.post("/api/v1/tenants", json=body, headers=bearer(owner["token"])).status_code == 409
    boss = opened.post("/api/v1/auth/login", json={"email": "boss@child.example", "password": PASSWORD}).json()
    assert opened.get(f"/api/v1/tenants/{child}", headers=bearer(boss["token"])).status_code == 200
    # Where registration is closed not even an owner creates one.
    refused = world.owner.call("POST", "/api/v1/tenants", json={**body, "slug": "elsewhere"})
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.registration_closed")


def test_refusals_are_audited_at_most_once_a_second_with_a_count(world: World, platform: Platform) -> None:
    viewer = world.people[Role.VIEWER]
    for _ in range(5):
        assert viewer.call("DELETE", f"/api/v1/tenants/{world.tenant_id}").status_code == 403
    with platform.app.tenant_transaction(world.tenant_id) as scope:  # type: ignore[arg-type]
        rows = scope.session.scalars(
            text("SELECT details FROM audit_events WHERE action = 'request.refused' AND tenant_id = :t"),
            {"t": world.tenant_id},
        ).all()
    assert len(rows) == 1
    assert rows[0] == {"caller": viewer.id, "code": "auth.forbidden", "count": 1}


def test_each_port_answers_its_own_routes_only(platform: Platform, new_world: Callable[[], World]) -> None:
    world = new_world()
    tenant_manager = TestClient(create_app(platform, TENANT_MANAGER))
    auth = TestClient(create_app(platform, AUTH))
    own = {"headers": bearer(world.owner.token)}
    assert tenant_manager.get("/api/v1/tenants", **own).status_code == 200
    assert auth.get("/api/v1/tenants", **own).status_code == 404
    assert auth.get("/api/v1/users", **own).status_code == 200
    assert tenant_manager.get("/api/v1/users", **own).status_code == 404
    stats = tenant_manager.get(f"/api/v1/tenants/{world.tenant_id}/stats", **own).json()["data"]
    assert (stats["tenantId"], stats["userCount"]) == (world.tenant_id, 4)
