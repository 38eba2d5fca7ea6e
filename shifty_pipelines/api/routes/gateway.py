"""What every port answers (health, metrics), and what only the gateway does."""

import ipaddress
import secrets
import statistics
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shifty_pipelines.api.catalogue import GATEWAY, SERVICES, Service
from shifty_pipelines.api.guard import CallDep, PlatformDep
from shifty_pipelines.api.middleware import RequestFigures
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.kernel.errors import Forbidden

Status = Literal["healthy", "unhealthy", "not_built"]


class Health(BaseModel):
    """Whether one service answers; open to anybody, says nothing else."""

    status: Status
    service: str
    timestamp: datetime


class ServiceHealth(BaseModel):
    """One service in the gateway's list."""

    service: str
    status: Status


class GatewayHealth(Health):
    """The gateway's health with every service's; what is not built does not degrade it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    services: list[ServiceHealth]
    #: One process: nothing to break between its services.
    circuit_breakers: dict[str, str] = Field(default_factory=dict)


class Dependencies(BaseModel):
    """What a service needs to be healthy."""

    database: Status


class DetailedHealth(Health):
    """Health with version, uptime and dependencies."""

    version: str
    uptime: float = Field(description="seconds")
    dependencies: Dependencies


class RequestCounts(BaseModel):
    """Requests since the process started."""

    total: int
    rate: str


class ResponseCounts(BaseModel):
    """Answers by status, and the average latency of the latest thousand."""

    by_status: dict[str, int]
    average_time: str


class ServiceCounts(BaseModel):
    """Requests by service."""

    count: int
    breakdown: dict[str, int]


class Metrics(BaseModel):
    """Counters of this process."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    requests: RequestCounts
    responses: ResponseCounts
    services: ServiceCounts
    circuit_breakers: dict[str, str] = Field(default_factory=dict)
    uptime: float = Field(description="seconds")
    timestamp: datetime


class CheckedService(BaseModel):
    """One service's status and when it was asked."""

    status: Status
    last_check: datetime


class ServicesHealth(BaseModel):
    """The status of every service."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    overall_status: Status = Field(alias="overall_status")
    services: dict[str, CheckedService]
    circuit_breakers: dict[str, str] = Field(default_factory=dict)
    timestamp: datetime


class ServiceDocs(BaseModel):
    """Where one service and its documentation is."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    service: str
    port: int
    status: Literal["built", "not_built"]
    requires_auth: bool
    documentation: str
    openapi: str


def health_router(service: Service) -> APIRouter:
    """`/health`, `/health/detailed` and `/metrics` of one port."""
    router = router_of(service)
    shape = GatewayHealth if service is GATEWAY else Health

    @router.get("/health", response_model=shape)
    def health(platform: PlatformDep) -> Health:
        """Whether this service answers; open to anybody, says nothing else."""
        return _gateway_health(platform) if service is GATEWAY else _health(platform, service)

    @router.get("/health/detailed")
    def detailed_health(call: CallDep, request: Request) -> DetailedHealth:
        """Health with version, uptime and dependencies."""
        figures: RequestFigures = request.app.state.figures
        return DetailedHealth(
            **_health(call.platform, service).model_dump(),
            version=request.app.version,
            uptime=round(figures.uptime_s, 1),
            dependencies=Dependencies(database=_database_status(call.platform)),
        )

    @router.get("/metrics")
    def metrics(request: Request, platform: PlatformDep) -> Metrics:
        """Counters of this process, for a scraper: by its token, or from this machine."""
        _require_scraper(request, platform)
        return _metrics(request.app.state.figures, platform)

    return router


def _health(platform: Platform, service: Service) -> Health:
    status = _database_status(platform) if service.is_built else "not_built"
    return Health(status=status, service=service.name, timestamp=platform.clock.now())


def _gateway_health(platform: Platform) -> GatewayHealth:
    own = _health(platform, GATEWAY)
    # One process: what answers here answers on every port.
    others = [
        ServiceHealth(service=service.name, status=own.status if service.is_built else "not_built")
        for service in SERVICES
        if service is not GATEWAY
    ]
    return GatewayHealth(**own.model_dump(), services=others)


def _database_status(platform: Platform) -> Status:
    return "healthy" if platform.app.answers() else "unhealthy"


def _require_scraper(request: Request, platform: Platform) -> None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    expected = platform.metrics_token
    if expected and secrets.compare_digest(token.encode(), expected.encode()):
        return
    host = request.client.host if request.client else ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    # A proxy on this machine is near, but whom it speaks for is not.
    if not is_local or "x-forwarded-for" in request.headers:
        raise Forbidden("Metrics are given to this machine, or for the token in SHIFTY_METRICS_TOKEN.")


def _metrics(figures: RequestFigures, platform: Platform) -> Metrics:
    total = sum(figures.by_status.values())
    latencies = list(figures.latencies_ms)
    average_ms = round(statistics.fmean(latencies)) if latencies else 0
    return Metrics(
        requests=RequestCounts(total=total, rate=f"{60 * total / max(figures.uptime_s, 1.0):.0f} req/min"),
        responses=ResponseCounts(
            by_status={str(status): count for status, count in sorted(figures.by_status.items())},
            average_time=f"{average_ms}ms",
        ),
        services=ServiceCounts(count=len(SERVICES), breakdown=dict(figures.by_service)),
        uptime=round(figures.uptime_s, 1),
        timestamp=platform.clock.now(),
    )


gateway: APIRouter = router_of(GATEWAY)


@gateway.get("/api/v1/services/health")
def services_health(platform: PlatformDep) -> ServicesHealth:
    """The status of every service."""
    own = _gateway_health(platform)
    return ServicesHealth(
        overall_status=own.status,
        services={item.service: CheckedService(status=item.status, last_check=own.timestamp) for item in own.services},
        timestamp=own.timestamp,
    )


@gateway.get("/api/v1/metrics")
def gateway_metrics(call: CallDep, request: Request) -> Metrics:
    """Counters of this process."""
    return _metrics(request.app.state.figures, call.platform)


@gateway.get("/api/docs")
def docs(request: Request) -> list[ServiceDocs]:
    """Where every service and its documentation is."""
    host, base_port = request.url.hostname, request.app.state.base_port
    return [
        ServiceDocs(
            service=service.name,
            port=base_port + service.port_offset,
            status="built" if service.is_built else "not_built",
            requires_auth=True,
            documentation=f"http://{host}:{base_port + service.port_offset}/docs",
            openapi=f"http://{host}:{base_port + service.port_offset}/openapi.json",
        )
        for service in SERVICES
    ]
