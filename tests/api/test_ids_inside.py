"""Ids that stand in bodies, queries and cursors: found in the OpenAPI document, attacked from another tenant.

A field that takes an id and has no row in the table here fails the suite, as a route without a twin does.
"""

import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from shifty_pipelines.api.answers import encode_cursor
from shifty_pipelines.api.permissions import RULES
from tests.api.body_fields import body_fields
from tests.api.conftest import World, random_id
from tests.api.test_cross_tenant import Tally, same_but_for_request_id, send
from tests.api.twins import TWINS, Twin, template_of

NAMES_AN_ID = re.compile(r"(^|[a-z])[Ii]ds?(\.0)?$")
#: (route, field) -> an object of that world whose id the field takes; attacked with those of another tenant.
NAMES_OBJECTS: Mapping[tuple[str, str, str], Callable[[World], str]] = {
    **{
        ("POST", f"/api/v1/missions/{{mission_id}}/{verb}", "userId"): lambda world: world.member.id
        for verb in ("assign", "start", "complete", "undo", "heartbeat", "release", "skip", "corrections")
    },
    ("PUT", "/api/v1/missions/{mission_id}/draft", "userId"): lambda world: world.member.id,
    ("GET", "/api/v1/tenants/{tenant_id}/missions/available", "userId"): lambda world: world.member.id,
    ("POST", "/api/v1/tenants/{tenant_id}/missions", "errorEventId"): World.error_event,
    ("POST", "/api/v1/tenants/{tenant_id}/mission-batches", "templateId"): template_of,
    ("POST", "/api/v1/tenants/{tenant_id}/training-jobs", "baseModelId"): lambda world: str(world.models.base()),
    ("POST", "/api/v1/tenants/{tenant_id}/training-jobs", "datasetId"): lambda world: world.models.dataset(),
}
#: Names of the caller's own choosing, or of things that are no tenant's.
NAMES_NOTHING_OF_A_TENANT = {
    ("POST", "/api/v1/errors", "externalId"),  # the error tracker's
    ("POST", "/api/v1/errors", "userId"),  # a user of the failing application
    ("POST", "/api/v1/missions/{mission_id}/complete", "result.elementId"),  # of a page
    ("POST", "/api/v1/missions/{mission_id}/corrections", "causeId"),  # what the correction is known by
    ("POST", "/api/v1/models", "sourceId"),  # a directory or a packaged base
    ("POST", "/api/v1/models/{model_id}/deploy", "instanceId"),  # `local`, which every tenant has
    ("POST", "/api/v1/tenants/{tenant_id}/shop/purchases", "itemId"),  # the shop is the same everywhere
}
#: Bodies and queries that name the tenant itself, next to the path: attacked in test_cross_tenant.
TENANT = "tenantId"


def test_every_id_of_another_tenant_in_a_body_or_query_is_as_unknown_as_one_of_nothing(
    gateway: TestClient, new_world: Callable[[], World], capsys: pytest.CaptureFixture[str]
) -> None:
    document = gateway.get("/openapi.json").json()
    found = {(*route, name) for route in TWINS for name in _ids_of(document, *route) if name != TENANT}
    assert found == {*NAMES_OBJECTS, *NAMES_NOTHING_OF_A_TENANT}, "an id that nobody has looked at"
    tally = Tally()
    home, victim = new_world(), new_world()
    for (verb, path, name), of in NAMES_OBJECTS.items():
        for role in sorted(RULES[verb, path].roles):
            caller = home.people[role]
            own = TWINS[verb, path](home, caller)
            if name == "errorEventId":
                own = replace(own, body={key: value for key, value in (own.body or {}).items() if key != "payload"})
            foreign, random = (
                send(caller, verb, path, _with(own, verb, name, value)) for value in (of(victim), random_id())
            )
            tally.probes += 1
            if foreign.status_code not in (403, 404) or not same_but_for_request_id(foreign, random):
                tally.leaks.append(f"{role} {verb} {path} {name}: {foreign.text} / {random.text}")
            twin = own if name == "userId" else _with(own, verb, name, of(home))
            answer = send(caller, verb, path, twin)
            tally.twins += 1
            if answer.status_code >= 300:
                tally.leaks.append(f"twin {role} {verb} {path} {name}: {answer.status_code} {answer.text}")
    with capsys.disabled():
        sys.stdout.write(f"\nids inside: {tally.probes} probes, {tally.twins} twins, {len(tally.leaks)} leaks\n")
    assert tally.leaks == []


def test_a_cursor_of_another_tenants_row_reads_on_in_ones_own_rows(
    gateway: TestClient, new_world: Callable[[], World]
) -> None:
    document = gateway.get("/openapi.json").json()
    paged = [route for route in TWINS if "cursor" in _query_of(document, *route)]
    assert len(paged) >= 14
    home, victim = new_world(), new_world()
    for world in (home, victim):
        world.error_event()
    foreign_id = victim.error_event()
    surprises = []
    for verb, path in paged:
        twin = TWINS[verb, path](home, home.owner)
        by_id = path.endswith("/rows")  # in the order of their ids; all others by time
        answers = [
            send(home.owner, verb, path, replace(twin, query={**twin.query, "cursor": cursor}))
            for cursor in ([foreign_id, random_id()] if by_id else _after_all(foreign_id, random_id()))
        ]
        is_told = any(victim.tenant_id in answer.text or foreign_id in answer.text for answer in answers)
        if is_told or not (by_id or same_but_for_request_id(*answers)) or answers[0].status_code >= 300:
            surprises.append(f"{verb} {path}: {[answer.text[:300] for answer in answers]}")
    assert surprises == []


def _ids_of(document: Mapping[str, Any], verb: str, path: str) -> set[str]:
    fields = body_fields(document, verb, path)
    inside = {found.name for found in fields if found.schema.get("format") == "uuid" or NAMES_AN_ID.search(found.name)}
    query = {name for name, schema in _query_of(document, verb, path).items() if _takes_id(name, schema)}
    return inside | query


def _takes_id(name: str, schema: Mapping[str, Any]) -> bool:
    return "'uuid'" in repr(schema) or NAMES_AN_ID.search(name) is not None


def _query_of(document: Mapping[str, Any], verb: str, path: str) -> dict[str, Mapping[str, Any]]:
    given = document["paths"][path][verb.lower()].get("parameters", [])
    return {each["name"]: each["schema"] for each in given if each["in"] != "path"}


def _with(twin: Twin, verb: str, name: str, value: str) -> Twin:
    if verb == "GET":
        return replace(twin, query={**twin.query, name: value})
    return replace(twin, body={**(twin.body or {}), name: value})


def _after_all(*row_ids: str) -> list[str]:
    """Cursors that all rows come after in lists of newest first."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    return [encode_cursor(soon, uuid.UUID(row_id)) for row_id in row_ids]
