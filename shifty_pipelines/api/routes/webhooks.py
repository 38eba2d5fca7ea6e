"""Integrations (3012): webhook endpoints, their secrets, the log of their deliveries. All in the envelope."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Message, Ok, Page, decode_cursor, page_of
from shifty_pipelines.api.catalogue import INTEGRATIONS
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.integrations.domain.deliveries import DeliveryStatus
from shifty_pipelines.contexts.integrations.schemas import (
    CreateWebhookEndpoint,
    DeliveryBody,
    RotateSecret,
    UpdateWebhookEndpoint,
    WebhookEndpointBody,
    WebhookEndpointWithSecret,
)
from shifty_pipelines.contexts.integrations.service.base import EndpointView

webhooks: APIRouter = router_of(INTEGRATIONS)

_ENDPOINTS = "/api/v1/tenants/{tenant_id}/webhook-endpoints"
_ENDPOINT = f"{_ENDPOINTS}/{{endpoint_id}}"


@webhooks.post(_ENDPOINTS, status_code=201)
def subscribe(
    tenant_id: uuid.UUID, body: CreateWebhookEndpoint, call: CallDep, once: OnceDep
) -> Ok[WebhookEndpointWithSecret]:
    """Have events sent to a URL; the secret that signs them is shown this once."""
    secret: str | None = None
    with call.open() as services:

        def create() -> uuid.UUID:
            nonlocal secret
            shown = services.integrations.subscribe(body.url, body.event_types)
            secret = shown.secret
            return shown.endpoint_id

        endpoint = services.integrations.webhook_endpoint(once.run(services, create))
    return _with_secret(endpoint, secret)


@webhooks.get(_ENDPOINTS)
def list_endpoints(
    tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[WebhookEndpointBody]:
    """The tenant's endpoints by age."""
    with call.open() as services:
        found = services.integrations.webhook_endpoints(after=decode_cursor(cursor), limit=limit + 1)
    return page_of(found, limit, WebhookEndpointBody)


@webhooks.get(_ENDPOINT)
def read_endpoint(tenant_id: uuid.UUID, endpoint_id: uuid.UUID, call: CallDep) -> Ok[WebhookEndpointBody]:
    """One endpoint: whether it is enabled, and why not."""
    with call.open() as services:
        endpoint = services.integrations.webhook_endpoint(endpoint_id)
    return Ok[WebhookEndpointBody](data=WebhookEndpointBody.model_validate(endpoint))


@webhooks.patch(_ENDPOINT)
def change_endpoint(
    tenant_id: uuid.UUID, endpoint_id: uuid.UUID, body: UpdateWebhookEndpoint, call: CallDep
) -> Ok[WebhookEndpointBody]:
    """Change URL or event types, disable, or enable again."""
    with call.open() as services:
        endpoint = services.integrations.change_endpoint(
            endpoint_id, url=body.url, event_types=body.event_types, enabled=body.enabled
        )
    return Ok[WebhookEndpointBody](data=WebhookEndpointBody.model_validate(endpoint))


@webhooks.delete(_ENDPOINT)
def delete_endpoint(tenant_id: uuid.UUID, endpoint_id: uuid.UUID, call: CallDep) -> Message:
    """End a subscription: URL and secrets are wiped, what waits is cancelled."""
    with call.open() as services:
        services.integrations.delete_endpoint(endpoint_id)
    return Message(message="Webhook endpoint deleted")


@webhooks.post(f"{_ENDPOINT}/rotate-secret")
def rotate_secret(
    tenant_id: uuid.UUID, endpoint_id: uuid.UUID, body: RotateSecret, call: CallDep, once: OnceDep
) -> Ok[WebhookEndpointWithSecret]:
    """A new secret, shown this once; the present one signs beside it for the overlap."""
    secret: str | None = None
    with call.open() as services:

        def rotate() -> uuid.UUID:
            nonlocal secret
            secret = services.integrations.rotate_secret(endpoint_id, body.overlap).secret
            return endpoint_id

        endpoint = services.integrations.webhook_endpoint(once.run(services, rotate))
    return _with_secret(endpoint, secret)


@webhooks.post(f"{_ENDPOINT}/ping", status_code=201)
def ping(tenant_id: uuid.UUID, endpoint_id: uuid.UUID, call: CallDep, once: OnceDep) -> Ok[DeliveryBody]:
    """Send a test event of type `ping`; the log tells what came of it."""
    with call.open() as services:
        made = once.run(services, lambda: services.integrations.ping(endpoint_id))
        delivery = services.integrations.delivery(endpoint_id, made)
        return Ok[DeliveryBody](data=DeliveryBody.model_validate(delivery))


@webhooks.get(f"{_ENDPOINT}/deliveries")
def list_deliveries(
    tenant_id: uuid.UUID,
    endpoint_id: uuid.UUID,
    call: CallDep,
    status: DeliveryStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryBody]:
    """Deliveries to an endpoint, newest first; finished ones are kept for 30 days."""
    with call.open() as services:
        rows = services.integrations.delivery_log(
            endpoint_id, status=status, after=decode_cursor(cursor), limit=limit + 1
        )
        return page_of(rows, limit, DeliveryBody)


@webhooks.post(f"{_ENDPOINT}/deliveries/{{delivery_id}}/replay")
def replay(tenant_id: uuid.UUID, endpoint_id: uuid.UUID, delivery_id: uuid.UUID, call: CallDep) -> Ok[DeliveryBody]:
    """Send a delivery again, under its own id; its attempts count anew."""
    with call.open() as services:
        delivery = services.integrations.replay(endpoint_id, delivery_id)
        return Ok[DeliveryBody](data=DeliveryBody.model_validate(delivery))


def _with_secret(endpoint: EndpointView, secret: str | None) -> Ok[WebhookEndpointWithSecret]:
    shown = WebhookEndpointBody.model_validate(endpoint)
    return Ok[WebhookEndpointWithSecret](data=WebhookEndpointWithSecret(**shown.model_dump(), secret=secret))
