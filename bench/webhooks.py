"""Webhooks delivered per second to a receiver on this machine, beside a bare HTTP client in the same run.

Claims nothing about speed: a first guess of a tenth of the bare client (a connection each, as many threads) held in two
of four runs on a busy two-core machine (0.08, 0.13, 0.09, 0.13). A delivery costs two transactions, an opened URL and
secret, a signature, and a judged connection more. The run fails only when a delivery is lost or attempted twice.
Beside it stands the bare client with kept connections, which we do not keep: a judged one serves one request.

The receiver is a process of its own and answers 204 to everything.
"""

import platform
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import httpx

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.contexts.integrations.domain.messages import EventType
from shifty_pipelines.contexts.tenancy.domain import NewTenant
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.flows.send_webhooks import SENDERS_OF_ONE_TENANT, WebhookSenders
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.kernel.provisioning import provision
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.settings import Settings

DELIVERIES = 1_000
DATA = {"missionId": str(uuid.UUID(int=1)), "label": "stale_state", "answerCount": 3, "rightCount": 3}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


def receive() -> None:
    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Receiver)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def posted_s(url: str, *, keep: bool) -> float:
    """Seconds that the bare client takes for as many posts."""
    limits = httpx.Limits(max_keepalive_connections=SENDERS_OF_ONE_TENANT if keep else 0)
    headers = {"content-type": "application/json", **({} if keep else {"connection": "close"})}
    with httpx.Client(limits=limits) as client, ThreadPoolExecutor(SENDERS_OF_ONE_TENANT) as pool:
        began = time.perf_counter()
        answers = pool.map(lambda _: client.post(url, json=DATA, headers=headers).status_code, range(DELIVERIES))
        assert set(answers) == {204}
        return time.perf_counter() - began


def delivered_s(shifty: Platform, tenant_id: TenantId, url: str) -> float:
    """Seconds from the first claim until the last delivery is recorded."""
    actor = system_actor(tenant_id)
    with shifty.open(actor) as services:
        endpoint_id = services.integrations.subscribe(url, [EventType.MISSION_SETTLED]).endpoint_id
        for _ in range(DELIVERIES):
            services.integrations.announce(
                EventType.MISSION_SETTLED, event_id=shifty.ids.new(), occurred_at=shifty.clock.now(), data=DATA
            )
    senders = WebhookSenders(shifty, senders=SENDERS_OF_ONE_TENANT)
    began = time.perf_counter()
    senders.drain(for_s=300)
    took_s = time.perf_counter() - began
    senders.close()
    with shifty.open(actor) as services:
        assert services.integrations.delivery_log(endpoint_id, limit=DELIVERIES + 1)[-1].status == "delivered"
        left = [row for row in services.integrations.delivery_log(endpoint_id, limit=DELIVERIES) if row.attempts != 1]
    assert left == []
    return took_s


def measure(home: Path, url: str) -> None:
    provision(home, None)
    settings = Settings(
        home=home,
        database_url=None,
        outbound_allowed_networks=(ip_network("127.0.0.1/32"),),
        outbound_allow_http=True,
    )
    shifty = build_platform(settings)
    tenant_id = TenantId(found_tenant(shifty, NewTenant(name="Bench", slug="bench"), None).tenant.tenant_id)
    posted_s(url, keep=False)  # both sides warm
    took = {
        "webhooks, signed and recorded": delivered_s(shifty, tenant_id, url),
        "bare httpx, a connection each": posted_s(url, keep=False),
        "bare httpx, connections kept": posted_s(url, keep=True),
    }
    shifty.dispose()
    ours_s = took["webhooks, signed and recorded"]
    print(f"{'':32}{'seconds':>9}{'per second':>12}{'ratio':>8}")
    for name, seconds in took.items():
        print(f"{name:32}{seconds:9.2f}{DELIVERIES / seconds:12.0f}{seconds / ours_s:8.2f}")
    print(f"\nratio to the bare client {took['bare httpx, a connection each'] / ours_s:.2f}")


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, httpx {httpx.__version__}"
    )
    print(f"{DELIVERIES:,} deliveries, {SENDERS_OF_ONE_TENANT} threads, no seed: nothing is drawn\n")
    receiver = subprocess.Popen([sys.executable, __file__, "receive"], stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory(prefix="shifty-bench-") as place:
        home = Path(place) / "home"
        try:
            assert receiver.stdout is not None
            measure(home, f"http://127.0.0.1:{int(receiver.stdout.readline())}/hook")
        finally:
            receiver.terminate()
            receiver.wait()
            EmbeddedPostgres(home).remove()


if __name__ == "__main__":
    if sys.argv[1:] == ["receive"]:
        receive()
    else:
        main()
