"""A process that delivers the outbox and kills itself (-9) at a chosen moment, once per event; forked per kill.

Arguments: app URL, worker URL, tenant id, folder of markers, moment (`before_commit` or `after_commit`), kills.
Prints how many times it died.
"""

import os
import signal
import sys
import uuid
from pathlib import Path

from sqlalchemy import text

from shifty_pipelines.kernel.clock import SystemClock
from shifty_pipelines.kernel.db import Database, TenantScope
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.kernel.outbox import Dispatcher


def main() -> None:
    app_url, worker_url, tenant_id, markers, moment, kills = sys.argv[1:]
    deaths = 0
    for _ in range(int(kills)):
        child = os.fork()
        if child == 0:
            deliver(app_url, worker_url, uuid.UUID(tenant_id), Path(markers), moment)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        deaths += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    sys.stdout.write(str(deaths))


def deliver(app_url: str, worker_url: str, tenant_id: uuid.UUID, markers: Path, moment: str) -> None:
    def effect(scope: TenantScope, event: DeliveredEvent) -> None:
        if event.tenant_id != tenant_id:
            return
        scope.session.execute(
            text(
                "INSERT INTO audit_events (tenant_id, id, occurred_at, action, object_type, object_id, details)"
                " VALUES (:tenant, gen_random_uuid(), now(), 'effect', 'event', :event, '{}')"
            ),
            {"tenant": tenant_id, "event": str(event.id)},
        )
        if moment == "before_commit":
            die_once(markers / str(event.id))

    class Victim(Dispatcher[TenantScope]):
        def _react(self, event: DeliveredEvent, subscriber: str, reaction: object) -> float | None:
            delay_s = super()._react(event, subscriber, reaction)  # type: ignore[arg-type]
            if moment == "after_commit":
                die_once(markers / str(event.id))
            return delay_s

    dispatcher = Victim(
        worker=Database(worker_url, application_name="victim", pool_size=1),
        app=Database(app_url, application_name="victim", pool_size=1),
        open_work=lambda scope: scope,
        subscriptions={"test.happened": {"effect": effect}},
        clock=SystemClock(),
        lease_s=0,
    )
    dispatcher.run_once()
    dispatcher.settle()


def die_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
