"""Every route x id position x role, attacked from another tenant, each probe beside a twin that succeeds."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from shifty_pipelines.api.permissions import RULES
from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import Person, World, random_id
from tests.api.twins import TWINS, Twin

REQUEST_ID = re.compile(r'"(requestId|correlationId)":"[^"]*"')
#: Needs open registration, which this platform has not: probed in test_tenancy.
ELSEWHERE = {("POST", "/api/v1/tenants")}


def all_routes(gateway: TestClient) -> list[BaseRoute]:
    """Every route of the application, those of included routers too."""
    app = gateway.app.app  # type: ignore[attr-defined]
    nested = [getattr(route, "original_router", None) for route in app.routes]
    return [
        found
        for route, router in zip(app.routes, nested, strict=True)
        for found in ([route] if router is None else router.routes)
    ]


def guarded_routes(gateway: TestClient) -> list[tuple[str, str]]:
    routes = [route for route in all_routes(gateway) if isinstance(route, APIRoute)]
    return sorted(
        (verb, route.path) for route in routes for verb in route.methods if not RULES[verb, route.path].is_open
    )


def send(caller: Person, verb: str, path: str, twin: Twin) -> Any:
    url = path.format(**twin.path_ids, **twin.other_path)
    body = {} if twin.body is None else {"json": dict(twin.body)}
    return caller.call(verb, url, params=dict(twin.query), **body)


def positions(twin: Twin) -> Iterator[tuple[str, str]]:
    yield from (("path_ids", name) for name in twin.path_ids)
    for part in ("query", "body"):
        yield from ((part, name) for name in getattr(twin, part) or {} if name in ("tenantId", "userId"))


def replaced(twin: Twin, position: tuple[str, str], value: str) -> Twin:
    part, name = position
    parts = {key: getattr(twin, key) for key in ("path_ids", "query", "body", "other_path")}
    parts[part] = {**parts[part], name: value}
    return Twin(**parts)


def value_at(twin: Twin, position: tuple[str, str]) -> str:
    return str(getattr(twin, position[0])[position[1]])


def same_but_for_request_id(one: Any, other: Any) -> bool:
    bodies = [REQUEST_ID.sub('"id":""', answer.text) for answer in (one, other)]
    return one.status_code == other.status_code and bodies[0] == bodies[1]


@dataclass
class Tally:
    """What was asked and what was wrong with the answers."""

    probes: int = 0
    twins: int = 0
    leaks: list[str] = field(default_factory=list)


def ends_its_world(verb: str, path: str) -> bool:
    """Routes after which a session or tenant is gone."""
    return path.endswith("/logout") or (verb, path) == ("DELETE", "/api/v1/tenants/{tenant_id}")


def probe_refused_role(tally: Tally, route: tuple[str, str], attacker: Person, victim: World) -> None:
    """A role that may not call the route at all, with every id of the victim."""
    answer = send(attacker, *route, TWINS[route](victim, victim.owner))
    tally.probes += 1
    if answer.status_code not in (403, 404):
        tally.leaks.append(f"{attacker.role} {route}: {answer.status_code}, not refused")


def probe_positions(tally: Tally, route: tuple[str, str], attacker: Person, home: World, victim: World) -> None:
    """The attacker's own good request with one id of the victim in it, and with a random id there."""
    theirs = TWINS[route](victim, victim.owner)
    for position in positions(theirs):
        own = TWINS[route](home, attacker)
        foreign = send(attacker, *route, replaced(own, position, value_at(theirs, position)))
        random = send(attacker, *route, replaced(own, position, random_id()))
        tally.probes += 1
        if foreign.status_code not in (403, 404) or not same_but_for_request_id(foreign, random):
            tally.leaks.append(f"{attacker.role} {route} {position}: {foreign.text} / {random.text}")
    # The twin: the same request by its owner succeeds in the same run, so the refusals above mean something.
    twin = send(victim.owner, *route, theirs)
    tally.twins += 1
    if twin.status_code >= 300:
        tally.leaks.append(f"twin {route}: {twin.status_code} {twin.text}")


def test_no_probe_of_another_tenant_tells_or_changes_anything(
    gateway: TestClient, new_world: Callable[[], World], capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [route for route in guarded_routes(gateway) if route not in ELSEWHERE]
    assert set(routes) == set(TWINS), "a route without a twin proves nothing"
    tally = Tally()
    for route in routes:
        lasting = new_world(), new_world()
        for role in Role:
            home, victim = (new_world(), new_world()) if ends_its_world(*route) else lasting
            if role in RULES[route].roles:
                probe_positions(tally, route, home.people[role], home, victim)
            else:
                probe_refused_role(tally, route, home.people[role], victim)
    with capsys.disabled():
        counts = f"{tally.probes} probes, {tally.twins} twins, {len(routes)} routes, {len(tally.leaks)} leaks"
        sys.stdout.write(f"\ncross-tenant: {counts}\n")
    assert tally.leaks == []
    assert tally.twins >= len(routes)


def test_every_role_may_do_exactly_what_the_table_says(gateway: TestClient, new_world: Callable[[], World]) -> None:
    surprises = []
    for route in guarded_routes(gateway):
        lasting = new_world()
        for role in Role if route not in ELSEWHERE else ():
            world = new_world() if ends_its_world(*route) else lasting
            is_allowed = role in RULES[route].roles
            # For a role that may not, the request is the owner's, whose every id is right.
            twin = TWINS[route](world, world.people[role] if is_allowed else world.owner)
            answer = send(world.people[role], *route, twin)
            if (answer.status_code < 300) != is_allowed or (not is_allowed and answer.status_code != 403):
                surprises.append(f"{role} {route}: {answer.status_code} {answer.text[:200]}")
    assert surprises == []


def test_without_a_token_nothing_but_the_open_list_answers(gateway: TestClient) -> None:
    open_routes = {route for route, rule in RULES.items() if rule.is_open}
    assert open_routes == {
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/services/health"),
        ("GET", "/api/docs"),
        ("POST", "/api/v1/auth/register"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/api/v1/auth/refresh"),
        ("POST", "/api/v1/auth/accept-invitation"),
    }
    for verb, path in guarded_routes(gateway):
        url = re.sub(r"\{\w+\}", random_id(), path)
        answer = gateway.request(verb, url, content=b"{not json", headers={"content-type": "application/json"})
        assert answer.status_code == 401, f"{verb} {path}"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_every_row_of_the_table_is_a_route_and_every_route_has_a_row(gateway: TestClient) -> None:
    found = all_routes(gateway)
    assert {(verb, route.path) for route in found if isinstance(route, APIRoute) for verb in route.methods} == set(
        RULES
    )
    frameworks_own = {route.path for route in found if isinstance(route, Route) and not isinstance(route, APIRoute)}
    assert frameworks_own == {"/openapi.json", "/docs"}


def test_a_list_shows_only_ones_own_rows(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    theirs_id = theirs.error_event()
    ours_id = ours.error_event()
    listed = ours.owner.data("GET", f"/api/v1/tenants/{ours.tenant_id}/errors")
    assert [event["id"] for event in listed] == [ours_id]
    assert theirs_id not in json.dumps(ours.owner.data("GET", "/api/v1/users"))
    assert [tenant["id"] for tenant in ours.owner.data("GET", "/api/v1/tenants")] == [ours.tenant_id]


def test_the_tenant_header_of_older_clients_is_no_way_in(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    answer = ours.owner.call("GET", "/api/v1/tenants", headers={"X-Tenant-Id": theirs.tenant_id})
    assert [tenant["id"] for tenant in answer.json()["data"]] == [ours.tenant_id]


@pytest.mark.parametrize(
    "body", ['{"tenantId": "%s", "tenantId": "%s"}', '{"tenantId": "%s", "type": "x", "tenantId": "%s"}']
)
def test_a_body_that_names_its_tenant_twice_is_refused(new_world: Callable[[], World], body: str) -> None:
    ours, theirs = new_world(), new_world()
    answer = ours.owner.call(
        "POST",
        "/api/v1/errors",
        content=body % (ours.tenant_id, theirs.tenant_id),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert "every key once" in answer.json()["error"]


def test_a_query_that_names_its_tenant_twice_is_refused(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    answer = ours.owner.call("GET", f"/api/v1/users?tenantId={ours.tenant_id}&tenantId={theirs.tenant_id}")
    assert answer.status_code == 404
