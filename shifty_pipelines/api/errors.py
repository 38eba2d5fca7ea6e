"""Errors on the wire: one handler renders every refusal in the shape that its route has."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from shifty_pipelines.api.answers import AnyTextResponse, FlatRefusal, Refusal
from shifty_pipelines.api.client_address import client_address
from shifty_pipelines.api.guard import Call
from shifty_pipelines.kernel.errors import ShiftyError, TooMany

log = structlog.get_logger()

#: Marks routes whose bodies clients knew before the envelope (their refusals are flat as well).
FLAT = {"x-body-shape": "flat"}
#: Refusals that are events of security whatever their status.
AUDITED_CODES = frozenset({"auth.invitation_unusable", "auth.refresh_superseded"})
_SHOWN_CHARS = 80
#: The supervisor brings an embedded database back within seconds.
_DATABASE_BACK_S = 2
#: Fields whose values are never shown, by a part of their name.
_SECRET_NAMES = ("password", "token", "secret")


def install_error_handlers(app: FastAPI) -> None:
    """Render refusals, validation errors, unknown routes and bugs; never a framework's own body."""
    app.add_exception_handler(ShiftyError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _bug)


def refusal(request: Request, *, status: int, code: str, error: str, details: Any = None) -> JSONResponse:
    """A refusal in the shape of the request's route."""
    request_id = request.scope.get("state", {}).get("request_id", "")
    route = request.scope.get("route")
    is_flat = (getattr(route, "openapi_extra", None) or {}).get("x-body-shape") == "flat"
    body: FlatRefusal | Refusal
    if is_flat:
        body = FlatRefusal(error=error, code=code, message=error, correlation_id=request_id, details=details)
    else:
        body = Refusal(error=error, code=code, details=details, request_id=request_id)
    # `details` is left out where there are none, so that two 404s are equal but for the request id.
    content = body.model_dump(mode="json", by_alias=True, exclude={"details"} if details is None else None)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004
    return AnyTextResponse(content, status_code=status, headers=headers)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShiftyError)  # noqa: S101  # registered for this class
    _record_refusal(request, error)
    details = dict(error.details) or None
    answer = refusal(request, status=error.status, code=error.code, error=error.message, details=details)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _record_refusal(request: Request, error: ShiftyError) -> None:
    """Audit what was refused for lack of rights, or for trying too often; a malformed body is no event of security."""
    if error.status not in (401, 403, 404, 429) and error.code not in AUDITED_CODES:
        return
    call = getattr(request.state, "call", None)
    actor = call.actor if isinstance(call, Call) else None
    caller = str(actor.user_id) if actor else client_address(request)
    route = request.scope.get("route")
    request.app.state.platform.refusals.record(
        tenant_id=actor.tenant_id if actor else None,
        caller=caller,
        code=error.code,
        route=f"{request.method} {getattr(route, 'path', '?')}",
    )


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class
    problems = error.errors()
    if any(problem["loc"][0] == "path" for problem in problems):
        # An id that is none looks like an id that is nowhere.
        return refusal(request, status=404, code="kernel.not_found", error="Not found")
    details = [_problem(problem) for problem in problems]
    return refusal(
        request,
        status=400,
        code="kernel.invalid_request",
        error=f"Invalid input: {_sentence(details)}",
        details=details,
    )


def _problem(problem: dict[str, Any]) -> dict[str, Any]:
    where = ".".join(str(part) for part in problem["loc"][1:]) or str(problem["loc"][0])
    message = problem["msg"].removeprefix("Value error, ")
    found: dict[str, Any] = {"field": where, "message": message}
    if "input" in problem and isinstance(problem["input"], str | int | float | bool):
        shown = str(problem["input"])
        found["value"] = "[redacted]" if any(name in where.lower() for name in _SECRET_NAMES) else shown[:_SHOWN_CHARS]
    return found


def _sentence(details: Sequence[dict[str, Any]]) -> str:
    first = details[0]
    rest = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    value = f" (got '{first['value']}')" if "value" in first else ""
    return f"{first['field']}: {first['message']}{value}{rest}"


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class
    names = {404: "kernel.no_such_route", 405: "kernel.method_not_allowed", 400: "kernel.invalid_request"}
    text = {404: f"No route {request.method} {request.url.path} on this port"}.get(error.status_code, error.detail)
    return refusal(request, status=error.status_code, code=names.get(error.status_code, "kernel.http"), error=text)


def _database(request: Request, error: Exception) -> JSONResponse:
    """The database is down, or went down under the request; whether that was done already nobody knows."""
    assert isinstance(error, DBAPIError)  # noqa: S101  # registered for this class
    if isinstance(error, DataError) and getattr(error.orig, "sqlstate", "") is None:
        # The driver itself refused a value, before the database saw it: a NUL in a text, a moment after the year 9999.
        return refusal(
            request,
            status=400,
            code="kernel.invalid_value",
            error="A value of the request cannot be stored: remove NUL characters; give moments before the year 9999.",
        )
    is_gone = error.connection_invalidated or getattr(error.orig, "sqlstate", "") is None
    if not is_gone:
        return _bug(request, error)
    log.warning("request.without_database", route=request.url.path, error=type(error.orig).__name__)
    answer = refusal(
        request,
        status=503,
        code="kernel.database_unavailable",
        error="The database does not answer at present. Ask again in a moment, with the same ids and Idempotency-Key.",
    )
    answer.headers["Retry-After"] = str(_DATABASE_BACK_S)
    return answer


def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", route=request.url.path, error=type(error).__name__, exc_info=error)
    return refusal(
        request,
        status=500,
        code="kernel.internal_error",
        error="Something broke on our side; nothing was changed. Tell an operator the request id.",
    )
