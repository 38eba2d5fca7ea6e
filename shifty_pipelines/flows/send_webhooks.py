"""Sending webhooks: deliveries are claimed from their queue, sent by a pool of threads, and what came of it is kept.

No transaction is open while a receiver takes its time. A sender that is killed leaves the delivery to the next one
after its lease; the receiver may then get the message twice, under one `webhook-id`.
"""

import secrets
import time
import uuid
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from shifty_pipelines.contexts.integrations.domain.deliveries import Outcome, retry_after_s
from shifty_pipelines.contexts.integrations.service.sending import LEASE, Attempt, Later
from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.outbound_http import OutboundFailure, OutboundHttp
from shifty_pipelines.kernel.tenant import Actor, system_actor
from shifty_pipelines.kernel.work_queue import QueuedWork, WebhookQueue
from shifty_pipelines.services import Services

log = structlog.get_logger()

SENDERS = 32
#: Of them, at most this many for one tenant: its slow receivers leave the others room.
SENDERS_OF_ONE_TENANT = 8
#: How long one turn waits for a sender to get free.
TURN_S = 0.25
_JITTER_STEPS = 1 << 30


class Mailroom(Protocol):
    """What sending needs of the platform."""

    @property
    def outbound(self) -> OutboundHttp:
        """Connects to receivers."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...

    @property
    def webhook_queue(self) -> WebhookQueue:
        """Ids of deliveries."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...


class WebhookSenders:
    """A pool of senders on the queue; used by one thread."""

    def __init__(
        self, mailroom: Mailroom, *, senders: int = SENDERS, of_one_tenant: int = SENDERS_OF_ONE_TENANT
    ) -> None:
        self._mailroom = mailroom
        self._queue = mailroom.webhook_queue
        self._senders = senders
        self._of_one_tenant = of_one_tenant
        self._pool = ThreadPoolExecutor(max_workers=senders, thread_name_prefix="webhooks")
        self._flying: dict[Future[float | None], QueuedWork] = {}
        #: Claimed in one go with others of their tenant, and waiting for a sender of it.
        self._held: list[QueuedWork] = []
        self._settled: dict[uuid.UUID, float | None] = {}
        self._started = 0

    def run_once(self) -> int:
        """Begin what is due and can be begun; returns how many deliveries are held or under way."""
        self._collect()
        if self._start_held() == 0 and self._room() <= 0:
            wait(self._flying, timeout=TURN_S, return_when=FIRST_COMPLETED)
            self._collect()
            self._start_held()
        self._held += self._exchange(self._room())
        if self._start_held() == 0 and self._flying:
            wait(self._flying, timeout=TURN_S, return_when=FIRST_COMPLETED)
        return len(self._flying) + len(self._held)

    def settle(self) -> None:
        """Wait for what is under way, give back what was not begun, and tell the queue."""
        wait(self._flying)
        self._collect()
        self._settled.update({claim.work_id: 0.0 for claim in self._held})
        self._held = []
        self._exchange(0)

    def drain(self, *, for_s: float) -> int:
        """Send what is due, beginning nothing after `for_s`; returns how many deliveries were attempted."""
        ends, self._started = time.monotonic() + for_s, 0
        while time.monotonic() < ends and self.run_once():
            pass
        self.settle()
        return self._started

    def close(self) -> None:
        """End the pool."""
        self._pool.shutdown(wait=True)

    def _room(self) -> int:
        return self._senders - len(self._flying) - len(self._held)

    def _exchange(self, limit: int) -> list[QueuedWork]:
        if limit <= 0 and not self._settled:
            return []
        load = Counter(claim.tenant_id for claim in (*self._flying.values(), *self._held))
        claims = self._queue.exchange(
            settled=self._settled,
            limit=max(limit, 0),
            lease_s=int(LEASE.total_seconds()),
            busy=[tenant_id for tenant_id, count in load.items() if count >= self._of_one_tenant],
        )
        self._settled = {}
        return claims

    def _start_held(self) -> int:
        """Begin the held ones whose tenant has a sender left; returns how many."""
        busy = Counter(claim.tenant_id for claim in self._flying.values())
        waiting = []
        for claim in self._held:
            if busy[claim.tenant_id] >= self._of_one_tenant:
                waiting.append(claim)
                continue
            busy[claim.tenant_id] += 1
            self._flying[self._pool.submit(send, self._mailroom, claim)] = claim
        begun = len(self._held) - len(waiting)
        self._held, self._started = waiting, self._started + begun
        return begun

    def _collect(self) -> None:
        for future in [future for future in self._flying if future.done()]:
            claim = self._flying.pop(future)
            if (error := future.exception()) is not None:
                # Whatever it is (the database may be gone): its lease ends, and it is tried again.
                log.warning("webhooks.sender_failed", delivery_id=str(claim.work_id), error=type(error).__name__)
            else:
                self._settled[claim.work_id] = future.result()


def send(mailroom: Mailroom, claim: QueuedWork) -> float | None:
    """One attempt of one delivery, if it is due; returns the seconds until the next, None when there is none."""
    actor = system_actor(claim.tenant_id)
    with mailroom.open(actor) as services:
        begun = services.integrations.begin_attempt(claim.work_id) if _is_open(services) else Later(None)
    if isinstance(begun, Later):
        return begun.wait_s
    outcome = _exchanged(mailroom, begun)
    with mailroom.open(actor) as services:
        return services.integrations.record_attempt(
            begun, outcome, jitter=secrets.randbelow(_JITTER_STEPS) / _JITTER_STEPS
        )


def _is_open(services: Services) -> bool:
    """Whether the tenant still is a customer: nothing goes out for one that is deleted."""
    try:
        services.tenancy.tenant()
    except NotFound:
        return False
    return True


def _exchanged(mailroom: Mailroom, attempt: Attempt) -> Outcome:
    began = time.perf_counter()
    response_code: int | None = None
    failure: str | None = None
    asked_s: float | None = None
    try:
        answer = mailroom.outbound.post(attempt.url, body=attempt.body, headers=attempt.headers)
        response_code = answer.status
        asked_s = retry_after_s(answer.headers.get("retry-after"), mailroom.clock.now())
    except OutboundFailure as refused:
        failure = refused.kind.value
    return Outcome(
        response_code=response_code,
        failure=failure,
        retry_after_s=asked_s,
        duration_ms=round((time.perf_counter() - began) * 1000),
    )
