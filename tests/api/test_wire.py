"""What every port has in common: health, shapes of refusals, bounds of bodies, idempotency keys, pages, documents."""

import dataclasses
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app, create_sidecar
from shifty_pipelines.api.catalogue import GATEWAY, INTEGRATIONS, SERVICES, Service
from shifty_pipelines.api.errors import install_error_handlers
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.kernel.db import Database
from tests.api.conftest import LABELS, World, error_body, random_id
from tests.conftest import TestServer


def mission_body() -> dict[str, Any]:
    return {"type": "classify_error", "title": "What caused this?", "payload": {"message": "boom"}}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_port_tells_its_health_and_its_truthful_document(platform: Platform, service: Service) -> None:
    client = TestClient(create_app(platform, service))
    health = client.get("/health").json()
    assert {"status", "service", "timestamp"} <= set(health)
    assert (health["service"], health["status"]) == (service.name, "healthy" if service.is_built else "not_built")
    assert client.get("/health/detailed").status_code == 401
    document = client.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all("422" not in operation["responses"] for operation in operations)
    assert all(operation["description"] for operation in operations)
    assert "HTTPValidationError" not in json.dumps(document)
    for operation in operations:
        (success,) = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        (body,) = success["content"].values()
        assert body["schema"], operation["operationId"]


def test_a_service_that_is_not_built_says_so_everywhere_else(platform: Platform) -> None:
    client = TestClient(create_app(platform, INTEGRATIONS))
    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(verb, f"/api/v1/tenants/{random_id()}/integrations")
        assert (answer.status_code, answer.json()["code"]) == (501, "service.not_built")


def test_the_gateways_health_lists_what_is_not_built_and_is_healthy_all_the_same(gateway: TestClient) -> None:
    health = gateway.get("/health").json()
    assert health["status"] == "healthy"
    assert health["circuitBreakers"] == {}
    statuses = {item["service"]: item["status"] for item in health["services"]}
    assert len(statuses) == 12
    assert (statuses["hitl-arcade"], statuses["gpu-provisioner"]) == ("healthy", "not_built")
    overall = gateway.get("/api/v1/services/health").json()
    assert overall["overall_status"] == "healthy"
    assert overall["services"]["auth-service"]["status"] == "healthy"
    assert [entry["port"] for entry in gateway.get("/api/docs").json()] == list(range(3000, 3013))


def test_metrics_are_for_this_machine_or_the_scrapers_token(platform: Platform) -> None:
    from shifty_pipelines.api.catalogue import GATEWAY

    local = TestClient(create_app(platform, GATEWAY), client=("127.0.0.1", 5000))
    far = TestClient(create_app(platform, GATEWAY), client=("10.1.2.3", 5000))
    assert local.get("/metrics").json()["requests"]["total"] == 0
    assert local.get("/metrics").json()["responses"]["by_status"] == {"200": 1}
    assert far.get("/metrics").status_code == 403


def test_the_socket_a_connection_came_in_on_picks_the_service(platform: Platform) -> None:
    sidecar = create_sidecar(platform, base_port=4000)
    for service in SERVICES:
        client = TestClient(sidecar, base_url=f"http://testserver:{4000 + service.port_offset}")
        assert client.get("/health").json()["service"] == service.name


def test_a_well_formed_request_id_comes_back_and_a_hostile_one_does_not(world: World) -> None:
    path = f"/api/v1/missions/{random_id()}"
    good = world.owner.call("GET", path, headers={"X-Request-ID": "ci-run-7"})
    assert good.headers["x-request-id"] == good.json()["requestId"] == "ci-run-7"
    for hostile in ("a b", "x" * 65, '"}{', "a\tb"):
        answer = world.owner.call("GET", path, headers={"X-Request-ID": hostile})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["requestId"])


def test_refusals_have_the_shape_of_their_route(world: World) -> None:
    envelope = world.owner.call("GET", f"/api/v1/missions/{random_id()}")
    assert envelope.status_code == 404
    assert set(envelope.json()) == {"success", "error", "code", "requestId"}
    assert envelope.json()["success"] is False
    flat = world.owner.call("GET", f"/api/v1/tenants/{random_id()}")
    assert flat.status_code == 404
    assert set(flat.json()) == {"error", "code", "message", "correlationId"}


def test_unknown_routes_and_verbs_are_refused_in_the_envelope(gateway: TestClient) -> None:
    unknown = gateway.get("/api/v1/teams")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "kernel.no_such_route")
    verb = gateway.patch("/api/v1/users")
    assert (verb.status_code, verb.json()["code"]) == (405, "kernel.method_not_allowed")


@pytest.mark.parametrize("malformed", ["not-an-id", "1", "%00", "' OR 1=1 --", "../../etc", "x" * 3000])
def test_a_malformed_id_in_a_path_is_404(world: World, malformed: str) -> None:
    assert world.owner.call("GET", f"/api/v1/missions/{malformed}").status_code == 404
    assert world.owner.call("GET", f"/api/v1/tenants/{malformed}").status_code == 404


def post_raw(world: World, raw: bytes | Iterator[bytes], path: str = "/api/v1/errors") -> Any:
    return world.owner.call("POST", path, content=raw, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[1, 2",
        b"null",
        b'"text"',
        b"[]",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": ' + b"9" * 100_000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    ],
    ids=["empty", "open", "cut", "null", "string", "list", "utf16", "nan", "infinity", "digits", "deep list", "deep"],
)
def test_a_body_that_is_not_one_json_object_is_400_and_never_500(world: World, raw: bytes) -> None:
    answer = post_raw(world, raw)
    assert answer.status_code == 400, answer.text[:300]
    assert answer.json()["success"] is False
    assert len(answer.text) < 2000


@pytest.mark.parametrize(
    "content_type",
    ["Application/JSON", "application/JSON ; charset=utf-8", "application/problem+json", "APPLICATION/x.y+JSON"],
)
def test_the_body_is_looked_at_by_whatever_name_json_comes(new_world: Callable[[], World], content_type: str) -> None:
    ours, theirs = new_world(), new_world()
    headers = {"content-type": content_type}

    def report(raw: str) -> Any:
        return ours.owner.call("POST", "/api/v1/errors", content=raw, headers=headers)

    own = json.dumps(error_body(ours.tenant_id))
    assert report(own).status_code == 201
    foreign, nowhere = [report(json.dumps(error_body(named))) for named in (theirs.tenant_id, random_id())]
    assert (foreign.status_code, nowhere.status_code) == (404, 404)
    assert foreign.json() | {"requestId": ""} == nowhere.json() | {"requestId": ""}
    twice = report(own[:-1] + ', "service": "another"}')
    assert (twice.status_code, "every key once" in twice.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "application/jsonp",
        "text/plain, application/json",
    ],
)
def test_a_body_of_another_media_type_is_refused_by_its_name(world: World, content_type: str) -> None:
    raw = json.dumps(error_body(world.tenant_id))
    for path in ("/api/v1/errors", "/api/v1/auth/verify"):
        answer = world.owner.call("POST", path, content=raw, headers={"content-type": content_type})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("Content-Type is")
        assert "expected application/json" in answer.json()["error"]


def test_no_body_needs_no_media_type(world: World) -> None:
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "text/plain"}):
        assert world.owner.call("POST", "/api/v1/auth/verify", headers=headers).status_code == 200


def test_a_refusal_names_the_field_the_value_and_what_is_expected(world: World) -> None:
    answer = world.owner.call(
        "POST", "/api/v1/errors", json={**error_body(world.tenant_id), "severity": "catastrophic"}
    )
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "severity"
    assert "catastrophic" in answer.json()["error"]
    assert "critical" in answer.json()["error"]


def test_a_body_beyond_the_bound_is_413_whatever_its_length_header_says(platform: Platform, world: World) -> None:
    from shifty_pipelines.api.catalogue import PRODUCTION_FEEDBACK

    client = TestClient(create_app(platform, PRODUCTION_FEEDBACK))
    headers = {"Authorization": f"Bearer {world.owner.token}", "content-type": "application/json"}
    declared = client.post("/api/v1/errors", content=b"x" * (1024 * 1024 + 1), headers=headers)
    streamed = client.post("/api/v1/errors", content=(b"x" * 65_536 for _ in range(20)), headers=headers)
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "kernel.body_too_large")
        assert "1048576 bytes" in answer.json()["error"]
    lying = client.post("/api/v1/errors", content=b"{}", headers={**headers, "content-length": "-5"})
    assert lying.status_code == 400


def test_the_same_key_and_body_make_one_mission_and_another_body_is_refused(world: World) -> None:
    world.set_labels()
    path = f"/api/v1/tenants/{world.tenant_id}/missions"
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = world.owner.call("POST", path, json=mission_body(), headers=headers)
    again = world.owner.call("POST", path, json=mission_body(), headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json()["data"] == again.json()["data"]
    other = world.owner.call("POST", path, json={**mission_body(), "title": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")
    listed = world.member.data("GET", f"{path}/available", params={"userId": world.member.id, "limit": "50"})
    assert [mission["id"] for mission in listed] == [first.json()["data"]["id"]]


def test_a_key_belongs_to_its_tenant_and_caller(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    headers = {"Idempotency-Key": "the-same-everywhere"}
    ids = set()
    for world in (ours, theirs):
        world.set_labels()
        path = f"/api/v1/tenants/{world.tenant_id}/missions"
        ids.add(world.owner.data("POST", path, json=mission_body(), headers=headers)["id"])
    assert len(ids) == 2


def test_sixteen_posts_with_one_key_at_once_make_one_mission(world: World) -> None:
    world.set_labels()
    path = f"/api/v1/tenants/{world.tenant_id}/missions"
    answers: list[Any] = []

    def post() -> None:
        answers.append(world.owner.call("POST", path, json=mission_body(), headers={"Idempotency-Key": "race"}))

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {answer.json()["data"]["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert refused <= {"idempotency.in_progress"}


def test_a_refused_request_does_not_use_its_key_up(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/missions"
    headers = {"Idempotency-Key": "first-refused"}
    assert world.owner.call("POST", path, json=mission_body(), headers=headers).status_code == 409  # no labels yet
    world.set_labels()
    assert world.owner.call("POST", path, json=mission_body(), headers=headers).status_code == 201


def test_pages_hold_every_row_once_and_end_with_null(world: World) -> None:
    made = [world.error_event() for _ in range(5)]
    path = f"/api/v1/tenants/{world.tenant_id}/errors"
    seen, cursor = [], None
    while True:
        page = world.owner.call("GET", path, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [event["id"] for event in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query", ["cursor=garbage", "cursor=W10=", "cursor=WyIyMDI2LTAxLTAxIiwgIngiXQ==", "limit=0", "limit=201", "limit=x"]
)
def test_a_page_that_cannot_be_is_400(world: World, query: str) -> None:
    assert world.owner.call("GET", f"/api/v1/tenants/{world.tenant_id}/errors?{query}").status_code == 400


def test_an_error_reported_twice_is_one_event(world: World) -> None:
    body = error_body(world.tenant_id)
    first = world.owner.call("POST", "/api/v1/errors", json=body)
    again = world.owner.call("POST", "/api/v1/errors", json=body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["data"] == again.json()["data"]
    assert first.json()["data"]["stackTrace"] == "Traceback ..."


def test_one_item_is_created_labelled_by_two_who_agree_and_settled(world: World) -> None:
    """The path that closes 1A, in process; tests/e2e walks it on a running server."""
    world.set_labels()
    mission = world.mission(slotCount=2)
    path = f"/api/v1/tenants/{world.tenant_id}/missions/next"
    from shifty_pipelines.kernel.tenant import Role

    labelers = [world.member, world.people[Role.ADMIN]]
    for labeler in labelers:
        (claimed,) = labeler.data("POST", path, json={"count": 1})
        assert claimed["id"] == mission
        assert claimed["payload"]["message"].startswith("boom")
        answer = {"userId": labeler.id, "result": {"selectedOption": LABELS[2], "confidence": 0.9, "notes": "clear"}}
        completed = labeler.data("POST", f"/api/v1/missions/{mission}/complete", json=answer)
        assert (completed["xpGained"], completed["xpPending"]) == (0, 50)
    # Nobody sees another's answer before the settlement.
    assert world.owner.data("GET", f"/api/v1/missions/{mission}")["result"] is None
    world.drain()
    settled = world.owner.data("GET", f"/api/v1/missions/{mission}")
    assert settled["settledLabel"] == LABELS[2]
    for labeler in labelers:
        profile = labeler.data("GET", f"/api/v1/profiles/{labeler.id}")
        assert (profile["xp"], profile["xpPending"], profile["totalMissionsCompleted"]) == (50, 0, 1)


def test_while_the_database_is_down_the_answer_says_so_and_that_it_passes(
    platform: Platform, world: World, tmp_path: Path
) -> None:
    nowhere = Database(f"postgresql+psycopg://shifty_app@/shifty?host={tmp_path}", application_name="tests")
    client = TestClient(create_app(dataclasses.replace(platform, app=nowhere), GATEWAY), raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {world.owner.token}"}
    answer = client.get(f"/api/v1/tenants/{world.tenant_id}/errors", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "kernel.database_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert str(tmp_path) not in answer.text


def test_a_connection_that_breaks_under_a_request_is_no_bug_of_ours(
    platform: Platform, postgres: TestServer, database_name: str
) -> None:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/breaks")
    def breaks() -> None:
        with platform.app.platform_transaction() as session:
            (pid,) = session.execute(text("SELECT pg_backend_pid()")).one()
            with postgres.admin(database_name) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            session.execute(text("SELECT 1"))

    @app.get("/wrong")
    def wrong() -> None:
        with platform.app.platform_transaction() as session:
            session.execute(text("SELECT 1 / 0"))

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/breaks").status_code == 503
    assert client.get("/wrong").status_code == 500


def test_the_documentation_page_loads_nothing_from_elsewhere(gateway: TestClient) -> None:
    page = gateway.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    assert [address for address in loaded if not address.startswith("/docs/assets/")] == []
    assert [gateway.get(address).status_code for address in loaded] == [200] * len(loaded)
    assert "http://" not in page.text
    assert "https://" not in page.text
