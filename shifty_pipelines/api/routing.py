"""How a route module makes its routers: guarded, tagged with its service, with the refusals any route may answer."""

from fastapi import APIRouter

from shifty_pipelines.api.answers import AnyTextResponse, FlatRefusal, Refusal
from shifty_pipelines.api.catalogue import Service
from shifty_pipelines.api.guard import GuardedRoute

_REASONS = {
    400: "The request is malformed; `error` names the field, its value and what is expected",
    401: "No good token",
    403: "The caller's role and grants do not reach",
    404: "Not here: unknown, or another tenant's (the answers are the same)",
    409: "Not in the present state",
    413: "The body is larger than this service takes",
    429: "Too often; `Retry-After` says when it may be tried again",
}


def router_of(service: Service, *, is_flat: bool = False) -> APIRouter:
    """A router of one service; `is_flat` for routes whose bodies clients knew before the envelope."""
    model = FlatRefusal if is_flat else Refusal
    return APIRouter(
        route_class=GuardedRoute,
        default_response_class=AnyTextResponse,
        tags=[service.name],
        responses={status: {"model": model, "description": reason} for status, reason in _REASONS.items()},
    )
