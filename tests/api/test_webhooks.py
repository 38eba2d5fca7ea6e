"""Webhooks, from the subscription to a receiver that verifies with the library, on a platform of their own."""

import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import GATEWAY, INTEGRATIONS
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.integrations.domain.deliveries import Outcome
from shifty_pipelines.contexts.integrations.service.sending import Attempt, Later
from shifty_pipelines.flows.send_webhooks import WebhookSenders, send
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.outbound_addresses import AddressPolicy
from shifty_pipelines.kernel.outbound_http import Limits, OutboundHttp, OutboundPolicy
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from shifty_pipelines.kernel.work_queue import QueuedWork
from tests.api.conftest import LABELS, World, make_world, platform_on, quick_assembly, random_id
from tests.conftest import TestServer
from tests.receivers import Receiver, hangs, raw_server, receiver

ALL = ["mission.settled", "task.completed", "label.tombstoned"]
LIMITS = Limits(connect_s=0.5, total_s=0.5)


@dataclass
class Site:
    """A platform whose webhooks may go to this machine, and a tenant on it."""

    platform: Platform
    clock: FixedClock
    world: World
    client: TestClient
    postgres: TestServer
    database: str

    @property
    def tenant_id(self) -> TenantId:
        return TenantId(uuid.UUID(self.world.tenant_id))

    @property
    def endpoints(self) -> str:
        return f"/api/v1/tenants/{self.world.tenant_id}/webhook-endpoints"

    def subscribe(self, url: str, event_types: list[str] | None = None) -> tuple[str, str]:
        """An endpoint's path and its secret."""
        body = {"url": url, "eventTypes": event_types or ALL}
        made = self.world.owner.data("POST", self.endpoints, json=body)
        return f"{self.endpoints}/{made['id']}", made["secret"]

    def ping(self, endpoint: str) -> str:
        return str(self.world.owner.data("POST", f"{endpoint}/ping")["id"])

    def send(self, delivery_id: str) -> float | None:
        """One attempt, whatever the queue says."""
        return send(self.platform, QueuedWork(self.tenant_id, uuid.UUID(delivery_id)))

    def send_all(self) -> None:
        """Everything that is queued, by the pool, as the sidecar does."""
        self.world.drain()
        senders = WebhookSenders(self.platform)
        senders.drain(for_s=10)
        senders.close()

    def log(self, endpoint: str) -> list[dict[str, Any]]:
        return list(self.world.owner.data("GET", f"{endpoint}/deliveries"))

    def read(self, endpoint: str) -> dict[str, Any]:
        return dict(self.world.owner.data("GET", endpoint))

    def scalar(self, statement: str) -> Any:
        with self.postgres.admin(self.database) as admin:
            row = admin.execute(statement).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def site(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[Site]:
    clock = FixedClock(datetime.now(UTC))
    policy = OutboundPolicy(AddressPolicy((ip_network("127.0.0.0/8"),)), allow_http=True)
    assembly = replace(quick_assembly(), clock=clock, outbound=OutboundHttp(policy, limits=LIMITS))
    month_s = 30 * 24 * 3600  # tests move the clock by days, and stay signed in
    platform = platform_on(postgres, fresh_database_name, tmp_path, assembly=assembly, token_ttl_s=month_s)
    client = TestClient(create_app(platform, GATEWAY), raise_server_exceptions=False)
    yield Site(platform, clock, make_world(platform, client), client, postgres, fresh_database_name)
    platform.dispose()


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


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


# ----------------------------------------------------------------------------------------------------------- attempts


def test_a_delivery_keeps_its_id_and_body_over_its_attempts_and_ends_with_success(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    server.answer = (500, {})
    delivery = site.ping(endpoint)
    wait_s = site.send(delivery)
    assert wait_s is not None
    assert 5 <= wait_s <= 5.5
    (row,) = site.log(endpoint)
    assert (row["status"], row["attempts"], row["responseCode"], row["failure"]) == ("pending", 1, 500, "status")
    assert row["durationMs"] >= 0
    assert datetime.fromisoformat(row["nextAttemptAt"]) == site.clock.now() + timedelta(seconds=wait_s)
    assert site.read(endpoint)["failingSince"] is not None
    assert site.send(delivery) == pytest.approx(wait_s)  # not yet due: nothing is sent
    assert len(server.received) == 1
    site.clock.advance(timedelta(seconds=6))
    server.answer = (204, {})
    assert site.send(delivery) is None
    first, second = server.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    (row,) = site.log(endpoint)
    assert (row["status"], row["attempts"], row["responseCode"], row["nextAttemptAt"]) == ("delivered", 2, 204, None)
    assert row["webhookId"] == first.headers["webhook-id"]
    assert site.read(endpoint)["failingSince"] is None


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 404, 500])
def test_any_other_status_is_a_failure_and_a_redirect_is_not_followed(
    site: Site, server: Receiver, status: int
) -> None:
    endpoint, _ = site.subscribe(server.url)
    with receiver() as elsewhere:
        server.answer = (status, {"Location": elsewhere.url})
        assert site.send(site.ping(endpoint)) is not None
        assert elsewhere.received == []
    (row,) = site.log(endpoint)
    assert (row["status"], row["responseCode"]) == ("pending", status)


def test_a_receiver_that_hangs_costs_an_attempt_and_its_time_is_bounded(site: Site) -> None:
    with raw_server(hangs) as port:
        endpoint, _ = site.subscribe(f"http://127.0.0.1:{port}/")
        site.send(site.ping(endpoint))
    (row,) = site.log(endpoint)
    assert (row["status"], row["responseCode"], row["failure"]) == ("pending", None, "timeout")
    assert row["durationMs"] < 10 * LIMITS.total_s * 1000


def test_retry_after_of_a_busy_receiver_is_obeyed(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    server.answer = (429, {"Retry-After": "3600"})
    assert site.send(site.ping(endpoint)) == 3600


def test_after_the_tenth_failure_a_delivery_is_given_up_and_may_be_replayed(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    server.answer = (500, {})
    delivery, waits = site.ping(endpoint), []
    while (wait_s := site.send(delivery)) is not None:
        waits.append(wait_s)
        site.clock.advance(timedelta(seconds=wait_s))
    assert (len(waits), len(server.received)) == (9, 10)
    (row,) = site.log(endpoint)
    assert (row["status"], row["attempts"], row["failure"]) == ("failed", 10, "status")
    server.answer = (200, {})
    replayed = site.world.owner.data("POST", f"{endpoint}/deliveries/{delivery}/replay")
    assert (replayed["status"], replayed["attempts"]) == ("pending", 0)
    site.send_all()
    assert site.log(endpoint)[0]["status"] == "delivered"
    assert server.received[-1].headers["webhook-id"] == server.received[0].headers["webhook-id"]


def test_two_senders_of_one_delivery_send_it_once(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery, barrier, waits = site.ping(endpoint), Barrier(4), []

    def one() -> None:
        barrier.wait()
        waits.append(site.send(delivery))

    threads = [Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.received) == 1
    assert site.log(endpoint)[0]["attempts"] == 1
    assert waits.count(None) >= 1


def test_an_attempt_whose_sender_was_killed_is_made_again_after_its_lease(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery = uuid.UUID(site.ping(endpoint))
    with site.platform.open(system_actor(site.tenant_id)) as services:
        assert isinstance(services.integrations.begin_attempt(delivery), Attempt)
    # Nobody records it. Until the lease is over nobody else begins one, and a replay is refused.
    with site.platform.open(system_actor(site.tenant_id)) as services:
        held = services.integrations.begin_attempt(delivery)
    assert held == Later(60.0)
    refused = site.world.owner.call("POST", f"{endpoint}/deliveries/{delivery}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "integrations.being_sent")
    site.clock.advance(timedelta(seconds=60))
    assert site.send(str(delivery)) is None
    assert (site.log(endpoint)[0]["status"], site.log(endpoint)[0]["attempts"]) == ("delivered", 2)


def test_what_an_older_attempt_has_to_tell_is_not_heard(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery = uuid.UUID(site.ping(endpoint))
    with site.platform.open(system_actor(site.tenant_id)) as services:
        old = services.integrations.begin_attempt(delivery)
    site.clock.advance(timedelta(seconds=60))
    site.send(str(delivery))
    late = Outcome(response_code=500, failure=None, retry_after_s=None, duration_ms=1)
    assert isinstance(old, Attempt)
    with site.platform.open(system_actor(site.tenant_id)) as services:
        assert services.integrations.record_attempt(old, late, jitter=0.0) is None
    assert site.log(endpoint)[0]["status"] == "delivered"


def test_one_tenants_hanging_receiver_leaves_the_senders_to_others(site: Site, server: Receiver) -> None:
    other = make_world(site.platform, site.client)
    with raw_server(hangs) as port:
        slow, _ = site.subscribe(f"http://127.0.0.1:{port}/")
        for _ in range(6):
            site.ping(slow)
        path = f"/api/v1/tenants/{other.tenant_id}/webhook-endpoints"
        made = other.owner.data("POST", path, json={"url": server.url, "eventTypes": ALL})
        other.owner.data("POST", f"{path}/{made['id']}/ping")
        senders = WebhookSenders(site.platform, senders=3, of_one_tenant=2)
        began = time.monotonic()
        while not server.received and time.monotonic() - began < 10:
            senders.run_once()
        waited_s = time.monotonic() - began
        senders.settle()
        senders.close()
    assert server.received
    # Six hanging deliveries through three senders would have taken two rounds of timeouts before it.
    assert waited_s < 2 * LIMITS.total_s


# ---------------------------------------------------------------------------------------------------------- disabling


def test_gone_disables_the_endpoint_with_its_reason_and_it_can_be_enabled_again(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    server.answer = (500, {})
    waiting = site.ping(endpoint)
    site.send(waiting)
    server.answer = (410, {})
    assert site.send(site.ping(endpoint)) is None
    shown = site.read(endpoint)
    assert (shown["enabled"], shown["disabledReason"]) == (False, "gone")
    assert {row["status"] for row in site.log(endpoint)} == {"failed", "cancelled"}
    refused = site.world.owner.call("POST", f"{endpoint}/ping")
    assert (refused.status_code, refused.json()["code"]) == (409, "integrations.endpoint_disabled")
    enabled = site.world.owner.data("PATCH", endpoint, json={"enabled": True})
    assert (enabled["enabled"], enabled["disabledReason"], enabled["failingSince"]) == (True, None, None)
    server.answer = (200, {})
    site.world.owner.data("POST", f"{endpoint}/deliveries/{waiting}/replay")
    assert site.send(waiting) is None
    assert {row["id"]: row["status"] for row in site.log(endpoint)}[waiting] == "delivered"


def test_five_days_of_failures_disable_the_endpoint_and_a_success_between_starts_anew(
    site: Site, server: Receiver
) -> None:
    endpoint, _ = site.subscribe(server.url)

    def attempt(status: int) -> None:
        server.answer = (status, {})
        site.send(site.ping(endpoint))

    attempt(500)
    site.clock.advance(timedelta(days=4))
    attempt(200)
    attempt(500)
    site.clock.advance(timedelta(days=5) - timedelta(seconds=1))
    attempt(500)
    assert site.read(endpoint)["enabled"] is True
    site.clock.advance(timedelta(seconds=1))
    attempt(500)
    shown = site.read(endpoint)
    assert (shown["enabled"], shown["disabledReason"]) == (False, "failing")
    assert site.scalar("SELECT count(*) FROM audit_events WHERE action = 'webhook_endpoint.disabled'") == 1
    assert site.scalar("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'") == 0


def test_a_deleted_endpoint_is_gone_and_its_secrets_are_wiped(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    waiting = site.ping(endpoint)
    site.world.owner.call("DELETE", endpoint)
    site.send_all()
    assert site.send(waiting) is None
    assert server.received == []
    for verb, path in (("GET", endpoint), ("GET", f"{endpoint}/deliveries"), ("POST", f"{endpoint}/ping")):
        assert site.world.owner.call(verb, path).status_code == 404
    wiped = "SELECT length(url_sealed) + length(secret_sealed) FROM webhook_endpoints"
    assert site.scalar(wiped) == 0


def test_nothing_goes_out_for_a_tenant_that_was_deleted(site: Site, server: Receiver) -> None:
    endpoint, _ = site.subscribe(server.url)
    delivery = site.ping(endpoint)
    assert site.world.owner.call("DELETE", f"/api/v1/tenants/{site.world.tenant_id}").status_code == 200
    site.send_all()
    assert site.send(delivery) is None
    assert server.received == []


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


def test_the_receiver_that_the_page_shows_verifies_and_handles_a_message_once(site: Site) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "contexts" / "integrations.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "integrations.md", "exec"), names)  # noqa: S102  # the example is ours and is what is tested
    handled: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint, secret = site.subscribe(f"http://127.0.0.1:{port}/")
    server = names["make_server"](secret, port, handled.append)
    server.RequestHandlerClass.log_message = lambda *_arguments: None
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    delivery = site.ping(endpoint)
    site.send(delivery)
    site.world.owner.data("POST", f"{endpoint}/deliveries/{delivery}/replay")
    site.send(delivery)
    stranger = httpx.post(f"http://127.0.0.1:{port}/", content=b"{}")
    server.shutdown()
    server.server_close()
    thread.join()
    assert [message["type"] for message in handled] == ["ping"]
    assert site.log(endpoint)[0]["responseCode"] == 204
    assert stranger.status_code == 401
