"""Bodies of integrations on the wire."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, computed_field

from shifty_pipelines.contexts.integrations.domain.deliveries import DeliveryStatus, DisabledReason
from shifty_pipelines.contexts.integrations.domain.messages import EventType, message_id
from shifty_pipelines.kernel.wire import RequestBody, WireModel

#: The URL itself is judged by the policy of what may be connected to.
Url = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=len(EventType))]
MAX_OVERLAP_HOURS = 7 * 24


class CreateWebhookEndpoint(RequestBody):
    """Where to send which events."""

    url: Url
    event_types: EventTypes


class UpdateWebhookEndpoint(RequestBody):
    """What may change about an endpoint; absent fields stay as they are."""

    url: Url | None = None
    event_types: EventTypes | None = None
    enabled: bool | None = None


class RotateSecret(RequestBody):
    """How long the present secret still signs beside the new one; 0 ends it now, after a leak."""

    overlap_hours: Annotated[int, Field(ge=0, le=MAX_OVERLAP_HOURS)] = 24

    @property
    def overlap(self) -> timedelta:
        """The overlap as a length of time."""
        return timedelta(hours=self.overlap_hours)


class WebhookEndpointBody(WireModel):
    """An endpoint; never its secret."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    url: str
    event_types: list[EventType]
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    secret_overlap_until: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookEndpointWithSecret(WebhookEndpointBody):
    """An endpoint with its new secret; it is shown this once, and null when the answer is asked for again."""

    secret: str | None


class DeliveryBody(WireModel):
    """A delivery in the log; what was sent is ids, labels and counts, what was answered is its status."""

    id: uuid.UUID
    endpoint_id: uuid.UUID
    event_id: uuid.UUID
    event_type: str
    occurred_at: datetime
    status: DeliveryStatus
    attempts: int
    response_code: int | None
    failure: str | None
    duration_ms: int | None
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None

    @computed_field(alias="webhookId")  # type: ignore[prop-decorator]
    @property
    def webhook_id(self) -> str:
        """What the receiver saw in the header `webhook-id`."""
        return message_id(self.event_id)
