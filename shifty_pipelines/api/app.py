"""The sidecar: one FastAPI application per service, and a switch that picks it by the socket's port."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shifty_pipelines.api.catalogue import (
    AI_ORCHESTRATOR,
    AUTH,
    GATEWAY,
    HITL_ARCADE,
    INTEGRATIONS,
    MODEL_REGISTRY,
    PRODUCTION_FEEDBACK,
    SERVICES,
    TENANT_MANAGER,
    Service,
)
from shifty_pipelines.api.documentation import OPENAPI, add_documentation
from shifty_pipelines.api.errors import install_error_handlers, refusal
from shifty_pipelines.api.middleware import RequestFigures, RequestFrame
from shifty_pipelines.api.routes import (
    arcade,
    curation,
    feedback,
    game,
    inference,
    missions,
    outbox,
    people,
    registry,
    tenancy,
    training,
    webhooks,
)
from shifty_pipelines.api.routes.gateway import gateway, health_router
from shifty_pipelines.bootstrap import Platform

#: Which routers answer on which service's own port.
ROUTERS: Mapping[Service, Sequence[APIRouter]] = {
    TENANT_MANAGER: (tenancy.tenants, tenancy.tenant_stats),
    AUTH: (tenancy.auth, tenancy.users, people.people),
    HITL_ARCADE: (
        curation.label_sets,
        arcade.missions,
        missions.holding,
        missions.batches,
        arcade.players,
        game.game,
        game.figures,
        curation.datasets,
    ),
    AI_ORCHESTRATOR: (inference.predictions,),
    MODEL_REGISTRY: (registry.models, training.jobs, inference.predictions),
    PRODUCTION_FEEDBACK: (feedback.errors,),
    INTEGRATIONS: (webhooks.webhooks,),  # connections to vendors are not built yet, hence `is_built=False`
}
#: The gateway is the union; where two services own one path, the specification's service answers.
GATEWAY_ROUTERS: Sequence[APIRouter] = (
    gateway,
    outbox.dead_letters,
    # Predictions answer on two ports; here they stand once. A tenant's figures are those of the Arcade.
    *{id(r): r for routers in ROUTERS.values() for r in routers if r is not tenancy.tenant_stats}.values(),
)


def create_app(platform: Platform, service: Service, *, base_port: int = 3000) -> ASGIApp:
    """The application of one service, complete with its own truthful OpenAPI document."""
    app = FastAPI(
        title=f"shifty {service.name}",
        version=version("shifty-pipelines"),
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
    )
    add_documentation(app)
    app.state.platform = platform
    app.state.figures = RequestFigures()
    app.state.base_port = base_port
    install_error_handlers(app)
    app.include_router(health_router(service))
    for router in GATEWAY_ROUTERS if service is GATEWAY else ROUTERS.get(service, ()):
        app.include_router(router)
    if not service.is_built:
        _answer_not_built(app, service)
    app.openapi = _truthful(app, app.openapi)  # type: ignore[method-assign]
    return RequestFrame(app, service=service.name, max_body_bytes=service.max_body_bytes, figures=app.state.figures)


def create_sidecar(platform: Platform, *, base_port: int = 3000) -> ASGIApp:
    """Every service behind one switch: the port a connection came in on picks the application."""
    by_port = {
        base_port + service.port_offset: create_app(platform, service, base_port=base_port) for service in SERVICES
    }

    async def switch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        server = scope.get("server") or (None, base_port)
        await by_port.get(server[1], by_port[base_port])(scope, receive, send)

    return switch


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _answer_not_built(app: FastAPI, service: Service) -> None:
    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def not_built(request: Request) -> JSONResponse:
        return refusal(
            request,
            status=501,
            code="service.not_built",
            error=f"The service {service.name} is not built yet; GET /health tells.",
        )


def _truthful(app: FastAPI, generate: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """FastAPI's document without the 422 that we never answer (malformed requests are 400)."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            for path in schema.get("paths", {}).values():
                for operation in path.values():
                    operation.get("responses", {}).pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                schema.get("components", {}).get("schemas", {}).pop(name, None)
            app.openapi_schema = schema
        return app.openapi_schema

    return document
