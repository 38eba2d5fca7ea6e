"""One attempt of one delivery: begun by one sender, recorded by the same; a killed sender's attempt counts as one."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shifty_pipelines.contexts.integrations.domain.deliveries import (
    MAX_ATTEMPTS,
    DeliveryStatus,
    Outcome,
    disabled_by,
    wait_s,
)
from shifty_pipelines.contexts.integrations.domain.messages import body_of, signed_headers
from shifty_pipelines.contexts.integrations.models import WebhookDelivery, WebhookEndpoint
from shifty_pipelines.contexts.integrations.service.base import IntegrationsUseCases
from shifty_pipelines.kernel.keys import KeyErased

#: How long an attempt is its sender's alone; far more than the limits of an exchange allow.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is sent, and where.

    Attributes:
        number: counts from 1; what an older attempt has to tell is not heard.
        follows_failures: whether the endpoint failed last when this attempt was begun.
    """

    delivery_id: uuid.UUID
    endpoint_id: uuid.UUID
    number: int
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    follows_failures: bool


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is sent now: in so many seconds, or never when None."""

    wait_s: float | None


class Sending(IntegrationsUseCases):
    """Attempts."""

    def begin_attempt(self, delivery_id: uuid.UUID) -> Attempt | Later:
        """Take a due delivery for one attempt, or say when to ask again."""
        now = self.work.clock.now()
        delivery = self.repository.begin(delivery_id, now=now, until=now + LEASE)
        if delivery is None:
            return self._not_due(delivery_id, now)
        endpoint = self.repository.endpoint(delivery.endpoint_id)
        if delivery.attempts > MAX_ATTEMPTS:  # its last sender was killed before it could tell
            delivery.attempts = MAX_ATTEMPTS
            return self._end(delivery, DeliveryStatus.FAILED, "interrupted")
        if endpoint is None or not endpoint.is_enabled:
            return self._end(delivery, DeliveryStatus.CANCELLED, "endpoint_disabled")
        try:
            return self._attempt(delivery, endpoint, now)
        except KeyErased:
            return self._end(delivery, DeliveryStatus.CANCELLED, "endpoint_erased")

    def record_attempt(self, attempt: Attempt, outcome: Outcome, *, jitter: float) -> float | None:
        """Keep what an attempt gave; returns the seconds until the next one, None when there is none.

        Args:
            attempt: what `begin_attempt` gave.
            outcome: how it ended.
            jitter: a number of [0, 1).
        """
        # Locked in the order of everybody who changes both: the endpoint, then its deliveries. A success after
        # successes has nothing to change there, so senders of one endpoint do not wait for each other.
        has_news = attempt.follows_failures or not outcome.is_success
        endpoint = self.repository.endpoint(attempt.endpoint_id, lock=True) if has_news else None
        delivery = self.repository.delivery_locked(attempt.delivery_id)
        if delivery is None or delivery.attempts != attempt.number or delivery.sending_until is None:
            return None  # begun anew or replayed meanwhile: whoever did so tells the queue
        delivery.sending_until = None
        delivery.response_code, delivery.failure = outcome.response_code, outcome.reason
        delivery.duration_ms = outcome.duration_ms
        if outcome.is_success:
            if endpoint is not None:
                endpoint.failing_since = None
            self._end(delivery, DeliveryStatus.DELIVERED, None)
            return None
        return self._failed(delivery, endpoint, outcome, jitter=jitter)

    def _failed(
        self, delivery: WebhookDelivery, endpoint: WebhookEndpoint | None, outcome: Outcome, *, jitter: float
    ) -> float | None:
        now = self.work.clock.now()
        seconds = wait_s(outcome, delivery.attempts, jitter=jitter)
        if seconds is None:
            self._end(delivery, DeliveryStatus.FAILED, outcome.reason)
        else:
            delivery.next_attempt_at = now + timedelta(seconds=seconds)
        if endpoint is None or not endpoint.is_enabled:
            if seconds is not None:
                self._end(delivery, DeliveryStatus.CANCELLED, "endpoint_disabled")
            return None
        endpoint.failing_since = endpoint.failing_since or now
        reason = disabled_by(outcome, failing_since=endpoint.failing_since, now=now)
        if reason is None:
            return seconds
        self.work.scope.session.flush()
        self._disable(endpoint, reason)
        return None

    def _attempt(self, delivery: WebhookDelivery, endpoint: WebhookEndpoint, now: datetime) -> Attempt:
        secrets = [self._opened(endpoint, endpoint.secret_sealed)]
        until = endpoint.previous_until
        if endpoint.previous_sealed is not None and until is not None and until > now:
            secrets.append(self._opened(endpoint, endpoint.previous_sealed))
        body = body_of(delivery.event_type, delivery.occurred_at, delivery.data)
        return Attempt(
            delivery_id=delivery.id,
            endpoint_id=endpoint.id,
            number=delivery.attempts,
            url=self._opened(endpoint, endpoint.url_sealed),
            headers=signed_headers(secrets, delivery.event_id, body, at=now),
            body=body.encode("utf-8"),
            follows_failures=endpoint.failing_since is not None,
        )

    def _not_due(self, delivery_id: uuid.UUID, now: datetime) -> Later:
        delivery = self.repository.delivery_locked(delivery_id)
        if delivery is None or delivery.status != DeliveryStatus.PENDING or delivery.next_attempt_at is None:
            return Later(None)
        due = max(delivery.next_attempt_at, delivery.sending_until or now)
        return Later(max((due - now).total_seconds(), 0.0))

    def _end(self, delivery: WebhookDelivery, status: DeliveryStatus, failure: str | None) -> Later:
        delivery.status, delivery.failure = status.value, failure
        delivery.next_attempt_at = delivery.sending_until = None
        delivery.finished_at = self.work.clock.now()
        return Later(None)
