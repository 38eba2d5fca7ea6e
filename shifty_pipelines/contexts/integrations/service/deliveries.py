"""Deliveries: made from events, tested, listed, replayed."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shifty_pipelines.contexts.integrations.domain.deliveries import DeliveryStatus
from shifty_pipelines.contexts.integrations.domain.messages import PING, EventType
from shifty_pipelines.contexts.integrations.errors import BeingSent, EndpointDisabled
from shifty_pipelines.contexts.integrations.models import WebhookDelivery
from shifty_pipelines.contexts.integrations.service.base import IntegrationsUseCases
from shifty_pipelines.kernel.errors import NotFound

#: How long the log shows a finished delivery.
KEPT_FOR = timedelta(days=30)
_FORGOTTEN_AT_ONCE = 100


class Deliveries(IntegrationsUseCases):
    """Events on their way to the tenant's endpoints."""

    def announce(
        self, event_type: EventType, *, event_id: uuid.UUID, occurred_at: datetime, data: Mapping[str, Any]
    ) -> None:
        """Send an event to every endpoint that wants its type; harmless when repeated.

        Args:
            event_type: what is announced.
            event_id: the event's own id; an endpoint gets each once.
            occurred_at: when it happened.
            data: ids, labels and counts; nothing else goes out.
        """
        now = self.work.clock.now()
        self.repository.forget_before(now - KEPT_FOR, at_most=_FORGOTTEN_AT_ONCE)
        self.repository.add_deliveries(
            [
                self._new(endpoint_id, event_type, event_id=event_id, occurred_at=occurred_at, data=data)
                for endpoint_id in self.repository.subscribed(event_type)
            ]
        )

    def ping(self, endpoint_id: uuid.UUID) -> uuid.UUID:
        """Send a test event to this endpoint; returns its delivery's id.

        Raises:
            NotFound: none by that id.
            EndpointDisabled: nothing is sent there.
        """
        endpoint = self._endpoint(endpoint_id)
        if not endpoint.is_enabled:
            raise EndpointDisabled(endpoint_id, endpoint.disabled_reason)
        row = self._new(
            endpoint_id,
            PING,
            event_id=self.work.ids.new(),
            occurred_at=self.work.clock.now(),
            data={"endpointId": str(endpoint_id)},
        )
        self.repository.add_deliveries([row])
        self.work.audit.record("webhook_endpoint.pinged", "webhook_endpoint", endpoint_id)
        return uuid.UUID(str(row["id"]))

    def delivery(self, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> WebhookDelivery:
        """One delivery to this endpoint.

        Raises:
            NotFound: none by that id to this endpoint.
        """
        self._endpoint(endpoint_id)
        found = self.repository.delivery(endpoint_id, delivery_id)
        if found is None:
            raise NotFound("Delivery")
        return found

    def delivery_log(
        self,
        endpoint_id: uuid.UUID,
        *,
        status: DeliveryStatus | None = None,
        after: tuple[datetime, uuid.UUID] | None = None,
        limit: int,
    ) -> Sequence[WebhookDelivery]:
        """Deliveries to this endpoint, newest first; finished ones are kept for 30 days.

        Raises:
            NotFound: no endpoint by that id.
        """
        self._endpoint(endpoint_id)
        return self.repository.deliveries(endpoint_id, status=status, after=after, limit=limit)

    def replay(self, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> WebhookDelivery:
        """Send a delivery again, with its id and body, whatever became of it; its attempts count anew.

        Raises:
            NotFound: none by that id to this endpoint.
            EndpointDisabled: nothing is sent there.
            BeingSent: an attempt is under way.
        """
        endpoint = self._endpoint(endpoint_id, lock=True)
        delivery = self.delivery(endpoint_id, delivery_id)
        if not endpoint.is_enabled:
            raise EndpointDisabled(endpoint_id, endpoint.disabled_reason)
        now = self.work.clock.now()
        if delivery.sending_until is not None and delivery.sending_until > now:
            raise BeingSent(delivery_id)
        delivery.status, delivery.attempts = DeliveryStatus.PENDING, 0
        delivery.next_attempt_at, delivery.sending_until, delivery.finished_at = now, None, None
        self.repository.enqueue(delivery_id)
        self.work.audit.record("webhook_delivery.replayed", "webhook_delivery", delivery_id)
        return delivery

    def _new(
        self,
        endpoint_id: uuid.UUID,
        event_type: str,
        *,
        event_id: uuid.UUID,
        occurred_at: datetime,
        data: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        now = self.work.clock.now()
        return {
            "tenant_id": self.work.tenant_id,
            "id": self.work.ids.new(),
            "endpoint_id": endpoint_id,
            "event_id": event_id,
            "event_type": str(event_type),
            "occurred_at": occurred_at,
            "data": {**data, "tenantId": str(self.work.tenant_id)},
            "status": DeliveryStatus.PENDING.value,
            "attempts": 0,
            "next_attempt_at": now,
            "created_at": now,
        }
