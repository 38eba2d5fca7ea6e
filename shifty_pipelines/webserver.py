"""Dagster's webserver behind a door of ours.

The stock webserver has no login and runs GraphQL mutations from a plain GET with any Host and Referer: an image tag on
any page could launch or delete runs. The door asks for the operator's token (a cookie), knows its own host names, lets
no GraphQL through by GET, and checks the Origin of everything that writes.
"""

import hmac
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "shifty_operator"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OperatorDoor:
    """ASGI middleware in front of Dagster's webserver.

    Args:
        token: the operator's secret; `?token=` sets it as a cookie, `Authorization: Bearer` carries it for scripts.
        allowed_hosts: host names (without port) this server answers to; others could be rebound to it by DNS.
    """

    def __init__(self, app: ASGIApp, *, token: str, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._token = token
        self._allowed_hosts = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through to Dagster, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if _host_name(host) not in self._allowed_hosts:
            return PlainTextResponse("Unknown host name; add it to SHIFTY_ALLOWED_HOSTS.", status_code=421)
        entering = self._entering(scope)
        if entering is not None:
            return entering
        if not self._has_token(headers):
            return PlainTextResponse("Open the address with ?token= that `shifty up` printed.", status_code=401)
        if self._is_forged(scope, headers, host):
            return PlainTextResponse("Refused: the request comes from another origin.", status_code=403)
        if _is_graphql_by_get(scope):
            return PlainTextResponse("GraphQL is spoken by POST only.", status_code=405)
        return None

    def _entering(self, scope: Scope) -> Response | None:
        """The answer to an address with a token: a cookie and the same page without it."""
        if scope["type"] != "http" or scope["method"] != "GET" or b"token=" not in scope["query_string"]:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._is_token(given):
            return PlainTextResponse("That token is not this server's.", status_code=401)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(COOKIE, given, httponly=True, samesite="strict")
        return answer

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_token(bearer)
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    @staticmethod
    def _is_forged(scope: Scope, headers: Mapping[str, str], host: str) -> bool:
        """A write or a websocket must come from our own pages, or from no page at all."""
        origin = headers.get("origin")
        writes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if origin is not None and writes:
            return urlsplit(origin).netloc != host
        # Browsers always send an Origin with a websocket; scripts need not.
        return False


def _is_graphql_by_get(scope: Scope) -> bool:
    """Asset pages have paths of their own; only the endpoint itself takes a query in its address."""
    is_get = scope["type"] == "http" and scope["method"] in SAFE_METHODS
    return is_get and scope["path"].rstrip("/").endswith("/graphql") and bool(scope["query_string"])


def _host_name(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return (name if separator and port.isdigit() else host).lower()


def serve(*, workspace: Path, host: str, port: int, token: str, allowed_hosts: Sequence[str]) -> None:
    """Serve Dagster's UI behind the door until stopped; reads DAGSTER_HOME."""
    with (
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as context,
    ):
        instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3600, max_overflow=20)
        app = create_app_from_workspace_process_context(context)
        door = OperatorDoor(app, token=token, allowed_hosts=allowed_hosts)
        uvicorn.run(door, host=host, port=port, log_level="warning")
