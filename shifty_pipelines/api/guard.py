"""The guard in front of every route: who calls, may they, is the body JSON that says one thing, is the tenant theirs.

It runs before the body is validated, so that a stranger learns nothing about it.
"""

import json
import re
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from shifty_pipelines.api.permissions import RULES, Rule
from shifty_pipelines.api.scopes import scope_of
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.tenancy.domain import Scope
from shifty_pipelines.contexts.tenancy.errors import InvalidToken, ScopeMissing
from shifty_pipelines.contexts.tenancy.service.base import Authenticated
from shifty_pipelines.flows.entrance import authenticate
from shifty_pipelines.kernel.errors import Forbidden, InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Actor, UserId
from shifty_pipelines.services import Services

MAX_INT_DIGITS = 64
#: What FastAPI reads as JSON; a body of any other type would pass it unchecked or not at all.
_JSON_TYPE = re.compile(r"application/([^/]+\+)?json")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of an authenticated caller."""

    platform: Platform
    caller: Authenticated

    @property
    def actor(self) -> Actor:
        """Who calls, and with which rights."""
        return self.caller.actor

    def open(self) -> AbstractContextManager[Services]:
        """The one transaction of this request; it is committed before the answer is sent."""
        return self.platform.open(self.actor)

    def acting_user(self, named: uuid.UUID | None) -> UserId:
        """The user a body or path names: oneself, or, for leads, a member of the same tenant (looked up later).

        Raises:
            Forbidden: somebody else is named and the caller is no lead.
        """
        own = self.actor.user_id
        if own is None:
            raise InvalidToken
        if named is None or named == own:
            return own
        if not self.actor.is_lead():
            raise Forbidden("userId is not your own; leave it out, or ask an owner or admin to act for that person.")
        return UserId(named)


def current_call(request: Request) -> Call:
    """The call that the guard has let through."""
    call = request.state.call
    if not isinstance(call, Call):
        raise InvalidToken
    return call


def current_platform(request: Request) -> Platform:
    """The platform, for the few routes that nobody has to be signed in for."""
    platform = request.app.state.platform
    assert isinstance(platform, Platform)  # noqa: S101  # set by create_app
    return platform


CallDep = Annotated[Call, Depends(current_call)]
PlatformDep = Annotated[Platform, Depends(current_platform)]


class GuardedRoute(APIRoute):
    """A route with its row in the permission table; without one the application does not start."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.rules = {verb: RULES[verb, path] for verb in self.methods or ()}
        self.scopes = {verb: scope_of(verb, path) for verb in self.methods or ()}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler: the guard first, then FastAPI's validation and the route."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await run_in_threadpool(admit, request, self.rules[request.method], self.scopes[request.method])
            raw = await request.body()
            if raw:
                check_media_type(request.headers.get("content-type", ""))
                check_body(raw, request.state.call)
            return await handle(request)

        return guarded


def admit(request: Request, rule: Rule, scope: Scope | None) -> None:
    """Let the request in and remember who calls, or refuse.

    `scope` is what an API key must have been made for; None keeps keys out.

    Raises:
        InvalidToken: no good token or key where one is needed.
        Forbidden: the caller's role and grants do not reach.
        ScopeMissing: they do, but the key was not made for this.
        NotFound: the tenant in path or query is not the caller's; the same answer as for one that does not exist.
    """
    request.state.call = None
    if rule.is_open:
        return
    caller = authenticate(current_platform(request), bearer_token(request))
    structlog.contextvars.bind_contextvars(tenant_id=str(caller.actor.tenant_id), user_id=str(caller.actor.user_id))
    if caller.actor.api_key_id is not None:
        structlog.contextvars.bind_contextvars(api_key_id=str(caller.actor.api_key_id))
    request.state.call = Call(current_platform(request), caller)
    for named in (request.path_params.get("tenant_id"), *request.query_params.getlist("tenantId")):
        check_tenant(named, caller.actor)
    if not rule.allows(caller.actor):
        raise Forbidden(f"Your role '{caller.actor.role}' may not do this; ask an owner or admin of your tenant.")
    if caller.scopes is not None and scope not in caller.scopes:
        raise ScopeMissing(scope)


def bearer_token(request: Request) -> str:
    """The token or API key of the Authorization header.

    Raises:
        InvalidToken: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("No token provided")
    return token.strip()


def check_tenant(named: object, actor: Actor) -> None:
    """Refuse a tenant that is named and not the caller's own, whether or not it exists or is even an id."""
    if named is not None and str(named).lower() != str(actor.tenant_id):
        raise NotFound("Tenant")


def check_media_type(content_type: str) -> None:
    """Refuse a body that does not say it is JSON; parameters such as a charset are as good as none."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not _JSON_TYPE.fullmatch(media_type):
        raise InvalidValue("Content-Type", content_type, "application/json; every body here is JSON")


def check_body(raw: bytes, call: Call | None) -> None:
    """Refuse a JSON body that can be read in two ways, or that names another tenant."""
    try:
        body = json.loads(raw, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_bounded_int)
    except RecursionError as error:
        raise InvalidValue("body", "...", "JSON that is nested less deeply") from error
    except ValueError as error:
        raise InvalidValue("body", str(error), "one well-formed JSON value") from error
    if call is not None and isinstance(body, Mapping):
        check_tenant(body.get("tenantId"), call.actor)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise InvalidValue("body", next(n for n in names if names.count(n) > 1), "every key once")
    return found


def _no_constant(name: str) -> None:
    raise InvalidValue("body", name, "JSON numbers (NaN and Infinity are not)")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_INT_DIGITS:
        raise InvalidValue("body", digits, f"integers of at most {MAX_INT_DIGITS} digits")
    return int(digits)
