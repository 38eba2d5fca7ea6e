"""A platform whose webhooks may go to this machine, and a tenant on it, with all that a test of webhooks asks."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import GATEWAY
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.flows.send_webhooks import WebhookSenders, send
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.outbound_addresses import AddressPolicy
from shifty_pipelines.kernel.outbound_http import Limits, OutboundHttp, OutboundPolicy
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.kernel.work_queue import QueuedWork
from tests.api.conftest import World, make_world, platform_on, quick_assembly
from tests.conftest import TestServer

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


def hook_site(postgres: TestServer, fresh_database_name: str, tmp_path: Path) -> Iterator[Site]:
    clock = FixedClock(datetime.now(UTC))
    policy = OutboundPolicy(AddressPolicy((ip_network("127.0.0.0/8"),)), allow_http=True)
    assembly = replace(quick_assembly(), clock=clock, outbound=OutboundHttp(policy, limits=LIMITS))
    month_s = 30 * 24 * 3600  # tests move the clock by days, and stay signed in
    platform = platform_on(postgres, fresh_database_name, tmp_path, assembly=assembly, token_ttl_s=month_s)
    client = TestClient(create_app(platform, GATEWAY), raise_server_exceptions=False)
    yield Site(platform, clock, make_world(platform, client), client, postgres, fresh_database_name)
    platform.dispose()
