"""API keys over HTTP: shown once, narrowed by scopes, never more than their person, gone when they should be."""

import re
from datetime import timedelta
from typing import Any

import pytest

from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import House, Person, World, error_body, make_world, random_id


def create(person: Person, world: World, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "ci", "scopes": list(scopes), **fields}
    answer = person.call("POST", f"/api/v1/tenants/{world.tenant_id}/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def call(house: House, key: str, verb: str, path: str, **options: Any) -> Any:
    return house.client().request(verb, path, headers={"Authorization": f"Bearer {key}"}, **options)


def listed(person: Person, world: World) -> list[dict[str, Any]]:
    return list(person.data("GET", f"/api/v1/tenants/{world.tenant_id}/api-keys"))


def test_a_key_is_shown_once_and_kept_as_a_hash(house: House) -> None:
    made = create(house.world.member, house.world, "read")
    assert re.fullmatch(r"shifty_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", made["key"])
    assert made["key"].startswith(made["prefix"])
    (shown,) = listed(house.world.member, house.world)
    assert shown == {name: value for name, value in made.items() if name != "key"}
    for table in ("api_keys", "platform.api_key_index", "audit_events", "outbox_events"):
        assert house.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s", f"%{made['key']}%") == []
    for table in ("api_keys", "platform.api_key_index"):
        statement = f"SELECT count(*) FROM {table} WHERE key_hash = sha256(%s::bytea)"
        assert house.rows(statement, made["key"]) == [(1,)]


def test_a_key_acts_for_its_person_and_says_so_in_the_audit(house: House) -> None:
    made = create(house.world.owner, house.world, "admin", "read")
    assert call(house, made["key"], "POST", "/api/v1/auth/verify").json()["user"]["id"] == house.world.owner.id
    path = f"/api/v1/tenants/{house.world.tenant_id}"
    assert call(house, made["key"], "PUT", path, json={"name": "By key"}).status_code == 200
    statement = "SELECT actor_id::text, details ->> 'api_key_id' FROM audit_events WHERE action = 'tenant.updated'"
    assert house.rows(statement) == [(house.world.owner.id, made["id"])]


def test_a_key_reports_errors_and_reads_nothing_without_the_scope(house: House) -> None:
    key = create(house.world.member, house.world, "report")["key"]
    body = error_body(house.world.tenant_id)
    assert call(house, key, "POST", "/api/v1/errors", json=body).status_code == 201
    refused = call(house, key, "GET", f"/api/v1/tenants/{house.world.tenant_id}/errors")
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope_missing")
    assert "'read'" in refused.json()["error"]


@pytest.mark.parametrize(("role", "scope"), [(Role.VIEWER, "report"), (Role.VIEWER, "admin"), (Role.MEMBER, "admin")])
def test_a_key_gets_no_scope_that_opens_nothing_to_its_person(house: House, role: Role, scope: str) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/api-keys"
    answer = house.world.people[role].call("POST", path, json={"name": "ci", "scopes": [scope]})
    assert (answer.status_code, answer.json()["code"]) == (403, "tenancy.scope_above_own_rights")


def test_a_scope_gives_nothing_that_the_persons_role_does_not(house: House) -> None:
    """The role is read on every request: a key of an admin who is a viewer now is a viewer's."""
    admin = house.world.people[Role.ADMIN]
    key = create(admin, house.world, "admin", "read")["key"]
    path = f"/api/v1/tenants/{house.world.tenant_id}"
    assert call(house, key, "PUT", path, json={"name": "One"}).status_code == 200
    house.world.owner.data("PUT", f"/api/v1/users/{admin.id}", json={"role": "viewer"})
    refused = call(house, key, "PUT", path, json={"name": "Two"})
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")


def test_a_key_makes_no_key_and_changes_no_password(house: House) -> None:
    key = create(house.world.owner, house.world, "read", "label", "report", "predict", "train", "admin")["key"]
    path = f"/api/v1/tenants/{house.world.tenant_id}/api-keys"
    for verb, url in (("POST", path), ("POST", "/api/v1/auth/password"), ("DELETE", f"/api/v1/api-keys/{random_id()}")):
        answer = call(house, key, verb, url, json={"name": "heir", "scopes": ["read"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing"), url


def test_a_key_ends_at_its_time(house: House) -> None:
    key = create(house.world.member, house.world, "read", expiresInDays=2)["key"]
    house.clock.advance(timedelta(days=2, seconds=-1))
    assert call(house, key, "GET", "/api/v1/users").status_code == 200
    house.clock.advance(timedelta(seconds=1))
    assert call(house, key, "GET", "/api/v1/users").status_code == 401


def test_a_revoked_key_is_refused_from_the_next_request_on(house: House) -> None:
    made = create(house.world.member, house.world, "read")
    assert house.world.member.call("DELETE", f"/api/v1/api-keys/{made['id']}").status_code == 200
    assert call(house, made["key"], "GET", "/api/v1/users").status_code == 401
    assert house.rows("SELECT count(*) FROM platform.api_key_index") == [(0,)]
    assert house.world.member.call("DELETE", f"/api/v1/api-keys/{made['id']}").status_code == 200
    assert house.audited("api_key.revoked") == 1


def test_the_last_use_is_shown_and_written_at_most_once_a_minute(house: House) -> None:
    key = create(house.world.member, house.world, "read")["key"]
    seen = []
    for step_s in (0, 59, 1):
        house.clock.advance(timedelta(seconds=step_s))
        call(house, key, "GET", "/api/v1/users")
        seen.append(listed(house.world.member, house.world)[0]["lastUsedAt"])
    assert seen[0] is not None
    assert seen[1] == seen[0]
    assert seen[2] != seen[0]


@pytest.mark.parametrize("change", ["one character", "another id part", "cut", "prefix only"])
def test_a_key_that_is_nearly_right_is_401(house: House, change: str) -> None:
    key = create(house.world.member, house.world, "read")["key"]
    nearly = {
        "one character": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "another id part": f"shifty_{'0' * 12}_{key[20:]}",
        "cut": key[:-1],
        "prefix only": "shifty_",
    }[change]
    assert call(house, nearly, "GET", "/api/v1/users").status_code == 401


def test_everybody_sees_their_own_keys_and_leads_see_all(house: House) -> None:
    made = {role: create(person, house.world, "read")["id"] for role, person in house.world.people.items()}
    seen = {role: {key["id"] for key in listed(person, house.world)} for role, person in house.world.people.items()}
    assert seen[Role.OWNER] == seen[Role.ADMIN] == set(made.values())
    assert seen[Role.MEMBER] == {made[Role.MEMBER]}
    assert seen[Role.VIEWER] == {made[Role.VIEWER]}


@pytest.mark.parametrize(
    ("actor", "holder", "status"),
    [
        (Role.ADMIN, Role.MEMBER, 200),
        (Role.ADMIN, Role.OWNER, 403),
        (Role.MEMBER, Role.VIEWER, 404),
        (Role.OWNER, Role.ADMIN, 200),
    ],
)
def test_who_may_revoke_whose_key(house: House, actor: Role, holder: Role, status: int) -> None:
    made = create(house.world.people[holder], house.world, "read")
    assert house.world.people[actor].call("DELETE", f"/api/v1/api-keys/{made['id']}").status_code == status


def test_a_key_of_another_tenant_reads_nothing_here(house: House) -> None:
    other = make_world(house.platform, house.client())
    key = create(other.owner, other, "read", "admin")["key"]
    assert call(house, key, "GET", f"/api/v1/tenants/{house.world.tenant_id}").status_code == 404
    assert call(house, key, "GET", f"/api/v1/tenants/{other.tenant_id}").status_code == 200


def test_an_answer_asked_for_again_by_its_key_holds_no_key(house: House) -> None:
    path, body = f"/api/v1/tenants/{house.world.tenant_id}/api-keys", {"name": "ci", "scopes": ["read"]}
    first, again = (
        house.world.owner.data("POST", path, json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert (again["id"], again["key"]) == (first["id"], None)
    assert first["key"]


def test_a_person_has_fifty_keys_and_no_more(house: House) -> None:
    for _ in range(50):
        create(house.world.member, house.world, "read")
    path = f"/api/v1/tenants/{house.world.tenant_id}/api-keys"
    answer = house.world.member.call("POST", path, json={"name": "ci", "scopes": ["read"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "tenancy.too_many_open")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ci", "scopes": []},
        {"name": "ci", "scopes": ["everything"]},
        {"name": "", "scopes": ["read"]},
        {"name": "ci", "scopes": ["read"], "expiresInDays": 366},
        {"name": "ci", "scopes": ["read"], "id": "7"},
    ],
    ids=str,
)
def test_a_malformed_request_for_a_key_is_400(house: House, body: dict[str, Any]) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/api-keys"
    assert house.world.member.call("POST", path, json=body).status_code == 400
