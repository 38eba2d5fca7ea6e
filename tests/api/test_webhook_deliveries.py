"""Attempts of webhook deliveries, against receivers that fail as receivers do, and endpoints that are given up."""

import re
import socket
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import dagster as dg
import httpx
import pytest

from shifty_pipelines.contexts.integrations.domain.deliveries import Outcome
from shifty_pipelines.contexts.integrations.service.sending import Attempt, Later
from shifty_pipelines.flows.send_webhooks import WebhookSenders
from shifty_pipelines.kernel.tenant import system_actor
from shifty_pipelines.sensors.integrations import webhooks_sensor
from tests.api.conftest import make_world
from tests.api.webhook_site import ALL, LIMITS, Site
from tests.assets.curation_site import GivenPlatform, given
from tests.receivers import Receiver, hangs, raw_server, receiver

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

    def begin() -> Attempt:
        with site.platform.open(system_actor(site.tenant_id)) as services:
            begun = services.integrations.begin_attempt(delivery)
        assert isinstance(begun, Attempt)
        return begun

    def record(attempt: Attempt, code: int) -> None:
        outcome = Outcome(response_code=code, failure=None, retry_after_s=None, duration_ms=1)
        with site.platform.open(system_actor(site.tenant_id)) as services:
            assert services.integrations.record_attempt(attempt, outcome, jitter=0.0) is None

    old = begin()
    site.clock.advance(timedelta(seconds=60))
    new = begin()
    record(old, 500)
    assert site.log(endpoint)[0]["status"] == "pending"
    record(new, 204)
    record(old, 500)
    (row,) = site.log(endpoint)
    assert (row["status"], row["responseCode"], row["attempts"]) == ("delivered", 204, 2)


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


# ------------------------------------------------------------------------------------------------- beside the sidecar


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


def test_the_sensor_sends_what_the_sidecar_left(site: Site, server: Receiver) -> None:
    endpoint, secret = site.subscribe(server.url)
    site.ping(endpoint)
    given[:] = [site.platform]
    skipped = webhooks_sensor(dg.build_sensor_context(resources={"platform": GivenPlatform()}))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "1 webhook(s) attempted"
    assert server.received[0].verified(secret)["type"] == "ping"
    assert site.log(endpoint)[0]["status"] == "delivered"
