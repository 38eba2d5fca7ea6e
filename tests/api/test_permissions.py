"""The permission table, walked whole: every route x role x grants, and every route x scope of an API key.

Every probe carries a body that is no JSON. The guard looks at rights first, so a caller who may gets 400 and one who
may not gets 403, and nothing is ever done.
"""

import re
import sys
import uuid
from collections.abc import Callable, Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import SERVICES, Service
from shifty_pipelines.api.guard import GuardedRoute
from shifty_pipelines.api.permissions import RULES
from shifty_pipelines.api.scopes import SESSION_ONLY, WRITE_SCOPES, scope_of, scopes_open_to
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.tenancy.domain import Grant, NewUser, Scope
from shifty_pipelines.flows.entrance import sign_in
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId, system_actor
from tests.api.conftest import PASSWORD, Person, World, random_address, random_id
from tests.api.test_cross_tenant import all_routes, guarded_routes

#: Nobody's duty, every duty alone, and all of them at once.
GRANT_SETS: list[frozenset[Grant]] = [frozenset(), *(frozenset({grant}) for grant in Grant), frozenset(Grant)]

#: Written by hand from the glossary and docs/contexts/tenancy.md: who may what matters most to get right.
BY_HAND: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("DELETE", "/api/v1/tenants/{tenant_id}"): ({"owner"}, set()),
    ("PUT", "/api/v1/tenants/{tenant_id}"): ({"owner", "admin"}, set()),
    ("POST", "/api/v1/tenants/{tenant_id}/invitations"): ({"owner", "admin"}, set()),
    ("GET", "/api/v1/tenants/{tenant_id}/invitations"): ({"owner", "admin"}, set()),
    ("DELETE", "/api/v1/tenants/{tenant_id}/invitations/{invitation_id}"): ({"owner", "admin"}, set()),
    ("GET", "/api/v1/tenants/{tenant_id}/dead-letters"): ({"owner", "admin"}, {"auditor"}),
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints"): ({"owner", "admin"}, set()),
    ("POST", "/api/v1/models/{model_id}/promote"): ({"owner", "admin"}, set()),
    ("POST", "/api/v1/missions/{mission_id}/adjudicate"): ({"owner", "admin"}, {"lead"}),
    ("POST", "/api/v1/missions/{mission_id}/complete"): ({"owner", "admin", "member"}, set()),
}


def person_with(world: World, role: Role, grants: frozenset[Grant]) -> Person:
    email = random_address()
    new = NewUser(email=email, password=PASSWORD, first_name="A", last_name="B", role=role, grants=grants)
    with world.platform.open(system_actor(TenantId(uuid.UUID(world.tenant_id)))) as services:
        user = services.tenancy.add_user(new)
    token = sign_in(world.platform, email, PASSWORD, client_address="192.0.2.1").token
    return Person(str(user.id), email, role, token, world.owner.client)


def probe(caller: Person, world: World, verb: str, path: str, token: str | None = None) -> int:
    url = re.sub(r"\{(\w+)\}", lambda found: world.tenant_id if found[1] == "tenant_id" else random_id(), path)
    headers = {"content-type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return int(caller.call(verb, url, content=b"{", headers=headers).status_code)


def test_every_route_lets_in_exactly_the_roles_and_grants_of_the_table(
    gateway: TestClient, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    routes, probes, surprises = guarded_routes(gateway), 0, []
    for role in Role:
        for grants in GRANT_SETS:
            caller = person_with(world, role, grants)
            for verb, path in routes:
                rule = RULES[verb, path]
                expected = 400 if role in rule.roles or grants & rule.grants else 403
                status = probe(caller, world, verb, path)
                probes += 1
                if status != expected:
                    surprises.append(f"{role}, {sorted(grants)}: {verb} {path}: {status}, not {expected}")
    with capsys.disabled():
        sys.stdout.write(
            f"\npermissions: {probes} probes = {len(routes)} routes x {len(Role)} roles x {len(GRANT_SETS)} grant sets,"
            f" {len(surprises)} surprises\n"
        )
    assert surprises == []
    assert probes == len(routes) * 4 * 8


def test_every_route_lets_in_a_key_with_its_scope_and_no_other(
    gateway: TestClient, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    routes, surprises, probes = guarded_routes(gateway), [], 0
    path = f"/api/v1/tenants/{world.tenant_id}/api-keys"
    for scope in Scope:
        key = world.owner.data("POST", path, json={"name": scope, "scopes": [scope]})["key"]
        for route in routes:
            expected = 400 if route not in SESSION_ONLY and scope_of(*route) == scope else 403
            status = probe(world.owner, world, *route, token=key)
            probes += 1
            if status != expected:
                surprises.append(f"{scope}: {route}: {status}, not {expected}")
    with capsys.disabled():
        sys.stdout.write(f"\nscopes: {probes} probes = {len(routes)} routes x {len(Scope)} scopes\n")
    assert surprises == []


@pytest.mark.parametrize("route", BY_HAND, ids=str)
def test_the_table_says_what_the_pages_say(route: tuple[str, str]) -> None:
    roles, grants = BY_HAND[route]
    assert ({str(role) for role in RULES[route].roles}, set(RULES[route].grants)) == (roles, grants)


def api_routes(platform: Platform, service: Service) -> Iterator[APIRoute]:
    client = TestClient(create_app(platform, service))
    for route in all_routes(client):
        # What a service that is not built answers to everything: it does nothing.
        if isinstance(route, APIRoute) and route.path != "/{path:path}":
            yield route


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_route_of_every_port_is_guarded_by_a_row(platform: Platform, service: Service) -> None:
    routes = list(api_routes(platform, service))
    assert routes
    assert [route.path for route in routes if not isinstance(route, GuardedRoute)] == []
    assert {(verb, route.path) for route in routes for verb in route.methods} <= set(RULES)


def test_a_route_without_a_row_does_not_start() -> None:
    with pytest.raises(KeyError, match="/api/v1/forgotten"):
        GuardedRoute("/api/v1/forgotten", lambda: None, methods=["GET"])


def test_every_route_that_writes_has_a_scope_or_is_for_people_only(gateway: TestClient) -> None:
    writing = {route for route in guarded_routes(gateway) if route[0] != "GET"}
    assert writing == set(WRITE_SCOPES) | SESSION_ONLY
    assert not set(WRITE_SCOPES) & SESSION_ONLY


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.VIEWER, {"read"}),
        (Role.MEMBER, {"read", "label", "report", "predict", "train"}),
        (Role.ADMIN, {"read", "label", "report", "predict", "train", "admin"}),
        (Role.OWNER, {"read", "label", "report", "predict", "train", "admin"}),
    ],
)
def test_the_scopes_that_a_role_can_use(role: Role, scopes: set[str]) -> None:
    actor = Actor(tenant_id=TenantId(uuid.uuid4()), user_id=UserId(uuid.uuid4()), role=role)
    assert {str(scope) for scope in scopes_open_to(actor)} == scopes


def test_no_probe_of_the_walk_changed_anything(new_world: Callable[[], World]) -> None:
    """The walk proves nothing if a body that is no JSON reached a route: a caller who may gets 400."""
    world = new_world()
    assert probe(world.owner, world, "DELETE", "/api/v1/tenants/{tenant_id}") == 400
    assert world.owner.call("GET", f"/api/v1/tenants/{world.tenant_id}").status_code == 200
