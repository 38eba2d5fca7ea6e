"""What every port answers (health, metrics), and what only the gateway does."""

import ipaddress
import secrets
import statistics
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from shifty_pipelines.api.catalogue import GATEWAY, SERVICES, Service
from shifty_pipelines.api.guard import CallDep, PlatformDep
from shifty_pipelines.api.middleware import RequestFigures
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.kernel.errors import Forbidden

Status = Literal["healthy", "unhealthy", "not_built"]


class Health(BaseModel):
    """Whether one service answers."""

    status: Status
    service: str
    timestamp: str


def health_router(service: Service) -> APIRouter:
    """`/health`, `/health/detailed` and `/metrics` of one port."""
    router = router_of(service)

    @router.get("/health")
    def health(platform: PlatformDep) -> dict[str, Any]:
        """Whether this service answers; open to anybody, says nothing else."""
        return _health(platform, service)

    @router.get("/health/detailed")
    def detailed_health(call: CallDep, request: Request) -> dict[str, Any]:
        """Health with version, uptime and dependencies."""
        figures: RequestFigures = request.app.state.figures
        return {
            **_health(call.platform, service),
            "version": request.app.version,
            "uptime": round(figures.uptime_s, 1),
            "dependencies": {"database": _database_status(call.platform)},
        }

    @router.get("/metrics")
    def metrics(request: Request, platform: PlatformDep) -> dict[str, Any]:
        """Counters of this process, for a scraper: by its token, or from this machine."""
        _require_scraper(request, platform)
        return _figures(request.app.state.figures)

    return router


def _health(platform: Platform, service: Service) -> dict[str, Any]:
    status: Status = "not_built"
    if service.is_built:
        status = "healthy" if _database_status(platform) == "healthy" else "unhealthy"
    answer: dict[str, Any] = {
        "status": status,
        "service": service.name,
        "timestamp": platform.clock.now().isoformat(),
    }
    if service is GATEWAY:
        answer |= {
            "services": [_item(other, status) for other in SERVICES if other is not GATEWAY],
            "circuitBreakers": {},
        }
    return answer


def _item(service: Service, process_status: Status) -> dict[str, str]:
    # One process: what answers here answers on every port.
    return {"service": service.name, "status": process_status if service.is_built else "not_built"}


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
    if not is_local:
        raise Forbidden("Metrics are given to this machine, or for the token in SHIFTY_METRICS_TOKEN.")


def _figures(figures: RequestFigures) -> dict[str, Any]:
    total = sum(figures.by_status.values())
    latencies = list(figures.latencies_ms)
    average_ms = round(statistics.fmean(latencies)) if latencies else 0
    return {
        "requests": {"total": total, "rate": f"{60 * total / max(figures.uptime_s, 1.0):.0f} req/min"},
        "responses": {
            "by_status": {str(status): count for status, count in sorted(figures.by_status.items())},
            "average_time": f"{average_ms}ms",
        },
        "services": {"count": len(SERVICES), "breakdown": dict(figures.by_service)},
        "circuitBreakers": {},
        "uptime": round(figures.uptime_s, 1),
    }


gateway: APIRouter = router_of(GATEWAY)


@gateway.get("/api/v1/services/health")
def services_health(platform: PlatformDep) -> dict[str, Any]:
    """The status of every service."""
    now = platform.clock.now().isoformat()
    own = _health(platform, GATEWAY)
    services = {item["service"]: {"status": item["status"], "last_check": now} for item in own["services"]}
    return {"overall_status": own["status"], "services": services, "circuitBreakers": {}, "timestamp": now}


@gateway.get("/api/v1/metrics")
def gateway_metrics(call: CallDep, request: Request) -> dict[str, Any]:
    """Counters of this process."""
    return {**_figures(request.app.state.figures), "timestamp": call.platform.clock.now().isoformat()}


@gateway.get("/api/docs")
def docs(request: Request) -> list[dict[str, Any]]:
    """Where every service and its documentation is."""
    base_port: int = request.app.state.base_port
    host = request.url.hostname
    return [
        {
            "service": service.name,
            "port": base_port + service.port_offset,
            "status": "built" if service.is_built else "not_built",
            "requiresAuth": True,
            "documentation": f"http://{host}:{base_port + service.port_offset}/docs",
            "openapi": f"http://{host}:{base_port + service.port_offset}/openapi.json",
        }
        for service in SERVICES
    ]
