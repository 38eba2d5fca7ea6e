"""Subscribing to webhooks, what goes out, secrets, bad input, and other tenants."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import INTEGRATIONS
from shifty_pipelines.contexts.integrations.service.sending import Later
from shifty_pipelines.flows.send_webhooks import send
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from shifty_pipelines.kernel.work_queue import QueuedWork
from tests.api.conftest import LABELS, World, make_world, random_id
from tests.api.webhook_site import ALL, Site
from tests.receivers import Receiver


def answered_mission(world: World, *labelers: Role) -> str:
    world.set_labels()
    mission = world.mission(slotCount=len(labelers))
    for role in labelers:
        person = world.people[role]
        world.owner.data("POST", f"/api/v1/missions/{mission}/assign", json={"userId": person.id})
        body = {"userId": person.id, "result": {"selectedOption": LABELS[0]}}
        person.data("POST", f"/api/v1/missions/{mission}/complete", json=body)
    return mission


# ------------------------------------------------------------------------------------------------------------- events


def test_a_mission_answered_and_settled_goes_out_signed(site: Site, server: Receiver) -> None:
    _, secret = site.subscribe(server.url)
    mission = answered_mission(site.world, Role.MEMBER, Role.ADMIN)
    site.send_all()
    messages = [request.verified(secret) for request in server.received]
    assert sorted(message["type"] for message in messages) == ["mission.settled", "task.completed", "task.completed"]
    settled = next(message["data"] for message in messages if message["type"] == "mission.settled")
    assert settled == {
        "missionId": mission,
        "itemId": settled["itemId"],
        "missionType": "classify_error",
        "label": LABELS[0],
        "answerCount": 2,
        "rightCount": 2,
        "tenantId": site.world.tenant_id,
    }
    assert len({request.headers["webhook-id"] for request in server.received}) == 3


def test_a_completed_task_tells_ids_and_never_the_answer_before_the_settlement(site: Site, server: Receiver) -> None:
    site.subscribe(server.url)
    answered_mission(site.world, Role.MEMBER)
    site.send_all()
    completed = [json.loads(request.body) for request in server.received if b"task.completed" in request.body]
    assert [set(message["data"]) for message in completed] == [
        {"missionId", "itemId", "assignmentId", "labelEventId", "tenantId"}
    ]
    assert LABELS[0] not in json.dumps(completed)
    assert "boom" not in "".join(request.body.decode() for request in server.received)


def test_a_label_taken_back_is_announced(site: Site, server: Receiver) -> None:
    _, secret = site.subscribe(server.url, ["label.tombstoned"])
    site.world.set_labels()
    mission, member = site.world.mission(slotCount=3), site.world.member
    site.world.owner.data("POST", f"/api/v1/missions/{mission}/assign", json={"userId": member.id})
    (held,) = member.data("GET", f"/api/v1/users/{member.id}/missions/active")
    body = {"userId": member.id, "result": {"selectedOption": LABELS[0]}}
    member.data("POST", f"/api/v1/missions/{mission}/complete", json=body)
    undo = {"userId": member.id, "fencingToken": held["fencingToken"]}
    member.data("POST", f"/api/v1/missions/{mission}/undo", json=undo)
    site.send_all()
    (request,) = server.received
    message = request.verified(secret)
    assert (message["type"], message["data"]["missionId"]) == ("label.tombstoned", mission)
    assert message["data"]["labelEventId"] != message["data"]["tombstoneId"]


def test_only_subscribed_types_reach_an_enabled_endpoint(site: Site, server: Receiver) -> None:
    settled, _ = site.subscribe(server.url, ["mission.settled"])
    off, _ = site.subscribe(server.url)
    site.world.owner.data("PATCH", off, json={"enabled": False})
    answered_mission(site.world, Role.MEMBER, Role.ADMIN)
    site.send_all()
    assert [json.loads(request.body)["type"] for request in server.received] == ["mission.settled"]
    assert (len(site.log(settled)), site.log(off)) == (1, [])


def test_an_event_delivered_twice_by_the_outbox_makes_one_delivery(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url, ["task.completed"])
    answered_mission(site.world, Role.MEMBER)
    site.world.drain()
    with site.postgres.admin(site.database) as admin:
        admin.execute("DELETE FROM outbox_deliveries WHERE subscriber = 'webhooks'")
        admin.execute("INSERT INTO platform.outbox_queue (work_id, tenant_id) SELECT id, tenant_id FROM outbox_events")
    site.send_all()
    assert (len(site.log(endpoint)), len(server.received)) == (1, 1)


# ------------------------------------------------------------------------------------------------------------ secrets


def test_the_secret_is_shown_once_and_lies_sealed(site: Site, server: Receiver) -> None:
    endpoint, secret = site.subscribe(server.url)
    assert secret not in json.dumps([site.read(endpoint), site.world.owner.data("GET", site.endpoints)])
    row = site.scalar("SELECT row_to_json(e)::text FROM webhook_endpoints e")
    for text_inside in (secret, secret.removeprefix("whsec_"), server.url):
        assert text_inside not in row
        assert text_inside.encode().hex() not in row


def test_a_repeated_subscription_makes_one_endpoint_and_repeats_no_secret(site: Site, server: Receiver) -> None:
    body = {"url": server.url, "eventTypes": ALL}
    headers = {"Idempotency-Key": "subscribe-1"}
    first, second = (site.world.owner.data("POST", site.endpoints, json=body, headers=headers) for _ in range(2))
    assert (first["id"], second["secret"]) == (second["id"], None)
    assert len(site.world.owner.data("GET", site.endpoints)) == 1


def test_while_two_secrets_overlap_both_verify_and_afterwards_only_the_new_one(site: Site, server: Receiver) -> None:
    endpoint, old = site.subscribe(server.url)
    new = site.world.owner.data("POST", f"{endpoint}/rotate-secret", json={"overlapHours": 1})["secret"]
    site.send(site.ping(endpoint))
    for secret in (old, new):
        assert server.received[0].verified(secret)["type"] == "ping"
    site.clock.advance(timedelta(hours=1))
    assert site.read(endpoint)["secretOverlapUntil"] is None
    delivery = site.ping(endpoint)
    site.send(delivery)
    signatures = server.received[1].headers["webhook-signature"]
    assert len(signatures.split()) == 1
    assert len(server.received[0].headers["webhook-signature"].split()) == 2


def test_a_leaked_secret_ends_at_once_when_the_overlap_is_nothing(site: Site, server: Receiver) -> None:
    endpoint, old = site.subscribe(server.url)
    new = site.world.owner.data("POST", f"{endpoint}/rotate-secret", json={"overlapHours": 0})["secret"]
    site.send(site.ping(endpoint))
    assert server.received[0].verified(new)
    with pytest.raises(WebhookVerificationError):
        server.received[0].verified(old)


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://hooks.example/", "eventTypes": ALL},
        {"url": "https://127.0.0.1/", "eventTypes": ALL},
        {"url": "https://169.254.169.254/latest/meta-data", "eventTypes": ALL},
        {"url": "https://hooks.example/", "eventTypes": []},
        {"url": "https://hooks.example/", "eventTypes": ["mission.created"]},
        {"url": "https://hooks.example/", "eventTypes": ["ping"]},
        {"url": "https://hooks.example/"},
        {"eventTypes": ALL},
        {"url": 7, "eventTypes": ALL},
        {"url": "", "eventTypes": ALL},
        {"url": "https://hooks.example/", "eventTypes": ALL, "status": "enabled"},
    ],
)
def test_a_bad_subscription_is_refused_and_nothing_is_written(world: World, body: dict[str, Any]) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/webhook-endpoints"
    answer = world.owner.call("POST", path, json=body)
    assert answer.status_code == 400, answer.text
    assert world.owner.data("GET", path) == []


def test_the_twenty_first_endpoint_is_refused(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/webhook-endpoints"
    body = {"url": "https://hooks.example/", "eventTypes": ALL}
    statuses = [world.owner.call("POST", path, json=body).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_overlaps_out_of_range_and_unknown_statuses_are_refused(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    for hours in (-1, 169, "a day"):
        body = {"overlapHours": hours}
        assert site.world.owner.call("POST", f"{endpoint}/rotate-secret", json=body).status_code == 400
    assert site.world.owner.call("GET", f"{endpoint}/deliveries?status=lost").status_code == 400


def test_the_log_is_paged_newest_first(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    made = []
    for _ in range(5):
        made.append(site.ping(endpoint))
        site.clock.advance(timedelta(seconds=1))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
        page = site.world.owner.call("GET", f"{endpoint}/deliveries{query}").json()
        assert len(page["data"]) <= 2
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]
    assert seen == list(reversed(made))
    assert site.world.owner.data("GET", f"{endpoint}/deliveries?status=delivered") == []


# ------------------------------------------------------------------------------------------------------------ tenants


def test_another_tenants_endpoints_and_deliveries_are_as_unknown_as_none(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery, endpoint_id = site.ping(endpoint), endpoint.rpartition("/")[2]
    thief = make_world(site.platform, site.client)
    own_path = f"/api/v1/tenants/{thief.tenant_id}/webhook-endpoints"
    own = thief.owner.data("POST", own_path, json={"url": server.url, "eventTypes": ALL})["id"]
    attempts: list[tuple[str, Callable[[str, str], str], Any]] = [
        ("GET", lambda e, _d: f"{own_path}/{e}", None),
        ("PATCH", lambda e, _d: f"{own_path}/{e}", {"url": "https://thief.example/"}),
        ("DELETE", lambda e, _d: f"{own_path}/{e}", None),
        ("POST", lambda e, _d: f"{own_path}/{e}/rotate-secret", {}),
        ("POST", lambda e, _d: f"{own_path}/{e}/ping", None),
        ("GET", lambda e, _d: f"{own_path}/{e}/deliveries", None),
        ("POST", lambda e, d: f"{own_path}/{e}/deliveries/{d}/replay", None),
        ("POST", lambda _e, d: f"{own_path}/{own}/deliveries/{d}/replay", None),
    ]
    for verb, path, body in attempts:
        options = {} if body is None else {"json": body}
        foreign = thief.owner.call(verb, path(endpoint_id, delivery), **options)
        random = thief.owner.call(verb, path(random_id(), random_id()), **options)
        assert foreign.status_code == random.status_code == 404, (verb, path("E", "D"))
        assert foreign.json()["error"] == random.json()["error"]
    assert site.read(endpoint)["url"] == server.url


def test_as_the_applications_role_one_tenant_cannot_begin_or_queue_anothers_delivery(
    site: Site, server: Receiver
) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery = uuid.UUID(site.ping(endpoint))
    thief = TenantId(uuid.UUID(make_world(site.platform, site.client).tenant_id))
    with site.platform.open(system_actor(thief)) as services:
        assert services.integrations.begin_attempt(delivery) == Later(None)
    assert send(site.platform, QueuedWork(thief, delivery)) is None
    with site.platform.app.tenant_transaction(thief) as scope:
        for statement in ("UPDATE webhook_deliveries SET status = 'failed'", "DELETE FROM webhook_deliveries"):
            assert scope.session.execute(text(statement)).rowcount == 0  # type: ignore[attr-defined]
        scope.session.execute(text("SELECT platform.enqueue('webhook', :id)"), {"id": delivery})
    owners = site.scalar(f"SELECT tenant_id FROM platform.webhook_queue WHERE work_id = '{delivery}'")
    assert owners == site.tenant_id
    site.send_all()
    assert [row["status"] for row in site.log(endpoint)] == ["delivered"]


def test_the_routes_answer_on_the_service_s_own_port(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    own_port = TestClient(create_app(site.platform, INTEGRATIONS))
    answer = own_port.get(endpoint, headers={"Authorization": f"Bearer {site.world.owner.token}"})
    assert answer.json()["data"]["id"] == endpoint.rpartition("/")[2]
