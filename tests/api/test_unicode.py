"""Half characters (lone surrogates), which JSON can write and UTF-8 cannot, in every field of every body."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.testclient import TestClient

from shifty_pipelines.api.permissions import RULES
from tests.api.body_fields import BodyField, body_fields, with_value
from tests.api.conftest import PASSWORD, World, error_body
from tests.api.twins import TWINS, Twin

HALF = "a\ud800b"
#: Sealed exactly as they came.
SEALED = {"payload", "payloads.0", "message", "stackTrace", "endpoint", "metadata"}
_NAMES = {"firstName": "Ada", "lastName": "L"}
#: Routes without a twin: bodies with every field in them.
OTHER_BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("POST", "/api/v1/tenants"): {"name": "N", "slug": "n"},
    ("POST", "/api/v1/auth/register"): {"email": "a@b.example", "password": PASSWORD, **_NAMES, "tenantName": "T"},
    ("POST", "/api/v1/auth/login"): {"email": "a@b.example", "password": PASSWORD},
    ("POST", "/api/v1/auth/refresh"): {"refreshToken": "r"},
    ("POST", "/api/v1/auth/accept-invitation"): {"token": "t", "password": PASSWORD, **_NAMES},
}


def post_json(world: World, verb: str, url: str, body: object) -> Any:
    # Python's own client would refuse to send it; the escape is what others send.
    headers = {"content-type": "application/json"}
    return world.owner.call(verb, url, content=json.dumps(body), headers=headers)


def bodies(gateway: TestClient, world: World) -> Iterator[tuple[str, str, str, Twin, list[BodyField]]]:
    """Every route that takes a body: verb, path, its address, a request that succeeds, and the fields."""
    document = gateway.get("/openapi.json").json()
    for verb, path in sorted(RULES):
        fields = body_fields(document, verb, path)
        if fields:
            other = OTHER_BODIES.get((verb, path))
            twin = TWINS[verb, path](world, world.owner) if other is None else Twin(body=other)
            yield verb, path, path.format(**twin.path_ids, **twin.other_path), twin, fields


def test_no_field_of_any_body_breaks_on_half_a_character(gateway: TestClient, new_world: Callable[[], World]) -> None:
    world, wrong, probes = new_world(), [], 0
    for verb, path, url, twin, fields in bodies(gateway, world):
        for field in fields:
            text = HALF if field.schema.get("type") != "object" else {HALF: [HALF]}
            answer = post_json(world, verb, url, with_value(twin.body, field.where, text))
            probes += 1
            is_sealed = field.name in SEALED or (path, field.name) == ("/api/v1/errors", "userId")
            expected = {200, 201} if is_sealed else {404} if field.name == "tenantId" else {400}
            if answer.status_code not in expected or (
                400 in expected and str(field.where[0]) not in answer.json()["error"]
            ):
                wrong.append(f"{verb} {path} {field.name}: {answer.status_code} {answer.text}")
        answer = post_json(world, verb, url, {**(twin.body or {}), HALF: HALF})
        if answer.status_code >= 500:
            wrong.append(f"{verb} {path}, an unknown key: {answer.text}")
    assert wrong == [], "\n".join(wrong)
    assert probes > 50


def test_no_field_of_any_body_breaks_on_a_nul(gateway: TestClient, new_world: Callable[[], World]) -> None:
    """PostgreSQL's texts hold none; the driver refuses them before the database sees them."""
    world, wrong, probes = new_world(), [], 0
    for verb, path, url, twin, fields in bodies(gateway, world):
        for field in [field for field in fields if field.schema.get("type") != "object"]:
            probes += 1
            answer = post_json(world, verb, url, with_value(twin.body, field.where, "a\x00b"))
            if answer.status_code >= 500:
                wrong.append(f"{verb} {path} {field.name}: {answer.status_code} {answer.text}")
    assert wrong == [], "\n".join(wrong)
    assert probes > 50


def test_a_moment_that_no_calendar_of_ours_reaches_is_refused(world: World) -> None:
    """West of Greenwich the last minutes of 9999 are the year 10000, which neither Python nor the wire has."""
    world.set_labels()
    body = {"type": "classify_error", "title": "Why?", "payload": {"message": "m"}}
    path = f"/api/v1/tenants/{world.tenant_id}/missions"
    for moment in ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-00:01"):
        answer = world.owner.call("POST", path, json={**body, "expiresAt": moment})
        assert answer.status_code == 400, answer.text


def test_half_a_character_in_a_sealed_text_comes_back_as_it_came(world: World) -> None:
    body = {**error_body(world.tenant_id), "message": HALF, "metadata": {"deep": [HALF]}}
    made = post_json(world, "POST", "/api/v1/errors", body).json()["data"]
    read = world.owner.data("GET", f"/api/v1/errors/{made['id']}")
    assert (read["message"], read["metadata"]) == (HALF, {"deep": [HALF]})


def test_half_a_character_in_raw_bytes_is_refused_likewise(gateway: TestClient) -> None:
    raw = b'{"email": "\xed\xa0\x80", "password": "x"}'
    answer = gateway.post("/api/v1/auth/login", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "email")
