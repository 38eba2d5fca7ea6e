"""`shifty webhooks`: where a tenant's events go, what became of them, and sending one again."""

import uuid
from typing import Annotated

import typer

from shifty_pipelines.cli.people import AsJson, TenantOption, show
from shifty_pipelines.cli.tenant_access import opened_platform, tenant_id_of
from shifty_pipelines.contexts.integrations.domain.deliveries import DeliveryStatus
from shifty_pipelines.contexts.integrations.schemas import DeliveryBody, WebhookEndpointBody
from shifty_pipelines.kernel.tenant import system_actor

webhooks = typer.Typer(help="List webhook endpoints, read their logs, replay deliveries.", no_args_is_help=True)

EndpointArgument = Annotated[uuid.UUID, typer.Argument(help="The endpoint's id.")]
_SHOWN = {"id", "event_type", "status", "attempts", "response_code", "failure", "next_attempt_at"}


@webhooks.command("list")
def list_endpoints(tenant: TenantOption, as_json: AsJson = False) -> None:
    """List the endpoints of a tenant."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        rows = [WebhookEndpointBody.model_validate(found) for found in services.integrations.webhook_endpoints()]
    shown = {"id", "url", "event_types", "enabled", "disabled_reason"}
    show([row.model_dump(mode="json", include=shown) for row in rows], as_json)


@webhooks.command("log")
def show_log(
    endpoint_id: EndpointArgument,
    tenant: TenantOption,
    status: Annotated[DeliveryStatus | None, typer.Option(help="Only deliveries that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest deliveries to an endpoint."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        log = services.integrations.delivery_log(endpoint_id, status=status, limit=limit)
        rows = [DeliveryBody.model_validate(row) for row in log]
    show([row.model_dump(mode="json", include=_SHOWN) for row in rows], as_json)


@webhooks.command("replay")
def replay(
    endpoint_id: EndpointArgument,
    delivery_id: Annotated[uuid.UUID, typer.Argument(help="The delivery's id.")],
    tenant: TenantOption,
    as_json: AsJson = False,
) -> None:
    """Send a delivery again."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        row = DeliveryBody.model_validate(services.integrations.replay(endpoint_id, delivery_id))
    show([row.model_dump(mode="json", include=_SHOWN)], as_json)
