"""Webhook endpoints: subscribed, changed, deleted, and their secrets, which are shown once."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shifty_pipelines.contexts.integrations.domain.deliveries import DisabledReason
from shifty_pipelines.contexts.integrations.domain.messages import SECRET_BYTES, EventType, secret_text
from shifty_pipelines.contexts.integrations.errors import TooManyEndpoints
from shifty_pipelines.contexts.integrations.models import WebhookEndpoint
from shifty_pipelines.contexts.integrations.service.base import EndpointView, IntegrationsUseCases

MAX_ENDPOINTS = 20


@dataclass(frozen=True, slots=True)
class SecretShown:
    """An endpoint's id and its new secret, which is shown this once."""

    endpoint_id: uuid.UUID
    secret: str = field(repr=False)


class Endpoints(IntegrationsUseCases):
    """Where the tenant wants its events sent."""

    def subscribe(self, url: str, event_types: Sequence[EventType]) -> SecretShown:
        """Make an endpoint.

        Raises:
            InvalidValue: a URL that is never connected to.
            TooManyEndpoints: the tenant has as many as any may.
        """
        checked = self.policy.checked_url(url)
        if self.repository.count_endpoints() >= MAX_ENDPOINTS:
            raise TooManyEndpoints(MAX_ENDPOINTS)
        secret = secret_text(secrets.token_bytes(SECRET_BYTES))
        (key_slot,) = self.keys.allocate(self.work.tenant_id, 1)
        now = self.work.clock.now()
        endpoint = WebhookEndpoint(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            key_slot=key_slot,
            url_sealed=self._sealed(key_slot, checked),
            event_types=_in_order(event_types),
            is_enabled=True,
            secret_sealed=self._sealed(key_slot, secret),
            created_at=now,
            updated_at=now,
            created_by=self.work.actor.user_id,
        )
        self.repository.add(endpoint)
        self.work.audit.record(
            "webhook_endpoint.created", "webhook_endpoint", endpoint.id, event_types=endpoint.event_types
        )
        return SecretShown(endpoint.id, secret)

    def webhook_endpoint(self, endpoint_id: uuid.UUID) -> EndpointView:
        """An endpoint.

        Raises:
            NotFound: none by that id, or it was deleted.
        """
        return self._view(self._endpoint(endpoint_id))

    def webhook_endpoints(
        self, *, after: tuple[datetime, uuid.UUID] | None = None, limit: int = MAX_ENDPOINTS
    ) -> Sequence[EndpointView]:
        """The tenant's endpoints by age."""
        return [self._view(endpoint) for endpoint in self.repository.endpoints(after=after, limit=limit)]

    def change_endpoint(
        self,
        endpoint_id: uuid.UUID,
        *,
        url: str | None = None,
        event_types: Sequence[EventType] | None = None,
        enabled: bool | None = None,
    ) -> EndpointView:
        """Change what is given. Enabling, and another URL, start with a clean record of failures.

        Raises:
            NotFound: none by that id.
            InvalidValue: a URL that is never connected to.
        """
        endpoint = self._endpoint(endpoint_id, lock=True)
        if url is not None:
            endpoint.url_sealed = self._sealed(endpoint.key_slot, self.policy.checked_url(url))
            endpoint.failing_since = None
        if event_types is not None:
            endpoint.event_types = _in_order(event_types)
        if enabled is False and endpoint.is_enabled:
            self._disable(endpoint, DisabledReason.BY_PERSON)
        if enabled is True and not endpoint.is_enabled:
            endpoint.is_enabled, endpoint.failing_since = True, None
            endpoint.disabled_reason, endpoint.disabled_at = None, None
            self.work.audit.record("webhook_endpoint.enabled", "webhook_endpoint", endpoint.id)
        endpoint.updated_at = self.work.clock.now()
        self.work.audit.record(
            "webhook_endpoint.changed",
            "webhook_endpoint",
            endpoint.id,
            event_types=endpoint.event_types,
            has_new_url=url is not None,
        )
        return self._view(endpoint)

    def delete_endpoint(self, endpoint_id: uuid.UUID) -> None:
        """Delete an endpoint: its URL and secrets are wiped, what waits for it is cancelled.

        Raises:
            NotFound: none by that id.
        """
        endpoint = self._endpoint(endpoint_id, lock=True)
        now = self.work.clock.now()
        endpoint.deleted_at, endpoint.updated_at, endpoint.is_enabled = now, now, False
        endpoint.url_sealed = endpoint.secret_sealed = b""
        endpoint.previous_sealed = endpoint.previous_until = None
        self.repository.cancel_pending(endpoint.id, reason="endpoint_deleted", at=now)
        self.work.audit.record("webhook_endpoint.deleted", "webhook_endpoint", endpoint.id)

    def rotate_secret(self, endpoint_id: uuid.UUID, overlap: timedelta) -> SecretShown:
        """Give an endpoint a new secret; the present one signs beside it for the overlap.

        A secret that was replaced before, and still overlaps, ends now: two sign at most.

        Raises:
            NotFound: none by that id.
        """
        endpoint = self._endpoint(endpoint_id, lock=True)
        now = self.work.clock.now()
        secret = secret_text(secrets.token_bytes(SECRET_BYTES))
        if overlap > timedelta(0):
            endpoint.previous_sealed, endpoint.previous_until = endpoint.secret_sealed, now + overlap
        else:
            endpoint.previous_sealed = endpoint.previous_until = None
        endpoint.secret_sealed, endpoint.updated_at = self._sealed(endpoint.key_slot, secret), now
        self.work.audit.record(
            "webhook_endpoint.secret_rotated", "webhook_endpoint", endpoint.id, overlap_s=int(overlap.total_seconds())
        )
        return SecretShown(endpoint.id, secret)


def _in_order(event_types: Sequence[EventType]) -> list[str]:
    return sorted({event_type.value for event_type in event_types})
