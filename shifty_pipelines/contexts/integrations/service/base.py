"""What every story of webhooks needs: the repository, endpoints by id, and endpoints as people see them."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from shifty_pipelines.contexts.integrations.models import WebhookEndpoint
from shifty_pipelines.contexts.integrations.repository import IntegrationsRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.outbound_http import OutboundPolicy
from shifty_pipelines.kernel.sealed import LayeredText, open_under, seal_under
from shifty_pipelines.kernel.work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """An endpoint with its URL opened; never its secrets.

    Attributes:
        secret_overlap_until: until when the secret before the present one signs too; None when it does not.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    url: str = field(repr=False)
    event_types: list[str]
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    secret_overlap_until: datetime | None
    created_at: datetime
    updated_at: datetime


class IntegrationsUseCases:
    """Shared by the stories; holds no state but the unit of work's."""

    def __init__(self, work: UnitOfWork, keys: KeySlots, policy: OutboundPolicy) -> None:
        self.work = work
        self.keys = keys
        self.policy = policy
        self.repository = IntegrationsRepository(work.scope)

    def _endpoint(self, endpoint_id: uuid.UUID, *, lock: bool = False) -> WebhookEndpoint:
        found = self.repository.endpoint(endpoint_id, lock=lock)
        if found is None:
            raise NotFound("Webhook endpoint")
        return found

    def _opened(self, endpoint: WebhookEndpoint, ciphertext: bytes) -> str:
        return open_under(self.keys, self.work.tenant_id, LayeredText((endpoint.key_slot,), ciphertext))

    def _sealed(self, key_slot: int, text: str) -> bytes:
        """A text of an endpoint, under the endpoint's one slot: URL and secrets are erased together."""
        return seal_under(self.keys, self.work.tenant_id, text, slots=(key_slot,)).ciphertext

    def _view(self, endpoint: WebhookEndpoint) -> EndpointView:
        until = endpoint.previous_until
        return EndpointView(
            id=endpoint.id,
            tenant_id=endpoint.tenant_id,
            url=self._opened(endpoint, endpoint.url_sealed),
            event_types=endpoint.event_types,
            enabled=endpoint.is_enabled,
            disabled_reason=endpoint.disabled_reason,
            disabled_at=endpoint.disabled_at,
            failing_since=endpoint.failing_since,
            secret_overlap_until=until if until is not None and until > self.work.clock.now() else None,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )

    def _disable(self, endpoint: WebhookEndpoint, reason: str) -> None:
        """Stop sending to a locked endpoint; what waits for it is cancelled and may be replayed later."""
        now = self.work.clock.now()
        endpoint.is_enabled, endpoint.disabled_reason, endpoint.disabled_at = False, reason, now
        self.repository.cancel_pending(endpoint.id, reason="endpoint_disabled", at=now)
        self.work.audit.record("webhook_endpoint.disabled", "webhook_endpoint", endpoint.id, reason=reason)
