"""The shop's error reporter: what a request raised becomes an error event, and leaves without holding anybody up.

An event is the body of the platform's ``POST /api/v1/errors``. The middleware is the outermost handler of a request:
the visitor gets a plain page with the event's id, the event goes to a ``Reporter``.
"""

import json
import linecache
import platform
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Event = dict[str, Any]

APP_FOLDER = Path(__file__).parent
# Who is hurt: a buyer at the till, a buyer with a cart, a visitor, the staff. First match wins.
SEVERITIES = (
    ("/checkout", "critical"),
    ("/cart", "high"),
    ("/api/cart", "high"),
    ("/orders", "high"),
    ("/admin", "low"),
    ("/", "medium"),
)
MESSAGE_MOST = 2000


class Reporter(Protocol):
    """Takes events; never raises, never waits."""

    def report(self, event: Event) -> None: ...
    def counts(self) -> Mapping[str, int]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What runs here, and whose events these are."""

    tenant_id: str
    service: str
    environment: str
    version: str


class ReportErrors:
    """ASGI middleware: an error nobody handled is reported and answered with a 500 page."""

    def __init__(self, app: ASGIApp, reporter: Reporter, release: Release) -> None:
        self.app = app
        self.reporter = reporter
        self.release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the outermost handler: whatever a request raised is reported
            event = event_of(error, scope, self.release)
            self.reporter.report(event)
            if not has_started:
                await error_page(event["externalId"])(scope, receive, send)


def error_page(event_id: str) -> HTMLResponse:
    return HTMLResponse(
        f"<!doctype html><title>Sorry</title><main><h1>Something went wrong</h1><p>Tell us this number: "
        f'<code data-testid="event-id">{event_id}</code></p></main>',
        status_code=500,
        headers={"x-event-id": event_id},
    )


def event_of(error: Exception, scope: Scope, release: Release) -> Event:
    """The body of ``POST /api/v1/errors`` for this error."""
    frames = frames_of(error)
    endpoint = f"{scope['method']} {getattr(scope.get('route'), 'path', scope['path'])}"
    customer_id = scope.get("state", {}).get("customer_id")
    event: Event = {
        "tenantId": release.tenant_id,
        "source": "custom_webhook",
        "externalId": uuid4().hex,
        "errorType": type(error).__name__,
        "message": message_of(error),
        "stackTrace": stack_trace(error, frames),
        "severity": next(severity for prefix, severity in SEVERITIES if scope["path"].startswith(prefix)),
        "environment": release.environment,
        "service": release.service,
        "endpoint": endpoint,
        "metadata": {
            "release": release.version,
            "occurredAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "requestId": header(scope, b"x-request-id") or uuid4().hex,
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "userAgent": header(scope, b"user-agent"),
            "runtime": f"{platform.python_implementation()} {platform.python_version()}",
            "frames": frames,
        },
    }
    return event if customer_id is None else {**event, "userId": str(customer_id)}


def header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def message_of(error: Exception) -> str:
    """The error's text, and below it the notes it gathered on its way (as error trackers show them)."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])]).strip()[:MESSAGE_MOST]


def frames_of(error: Exception) -> list[dict[str, Any]]:
    """Outermost first; ``inApp`` are the frames of this folder."""
    return [
        {
            "file": shown_path(frame.f_code.co_filename),
            "line": line,
            "function": frame.f_code.co_name,
            "source": linecache.getline(frame.f_code.co_filename, line).strip(),
            "inApp": is_in_app(frame.f_code.co_filename),
        }
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename != __file__
    ]


def is_in_app(file: str) -> bool:
    return Path(file).parent == APP_FOLDER


def shown_path(file: str) -> str:
    """``shop/cart.py`` for the shop's own files, ``starlette/routing.py`` for a library's: no machine's folders."""
    if is_in_app(file):
        return f"{APP_FOLDER.name}/{Path(file).name}"
    parts = Path(file).parts
    for folder in ("site-packages", f"python3.{platform.python_version_tuple()[1]}"):
        if folder in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(folder) :])
    return "/".join(parts[-2:])


def stack_trace(error: Exception, frames: list[dict[str, Any]]) -> str:
    lines = ["Traceback (most recent call last):"]
    for frame in frames:
        lines += [f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}', f"    {frame['source']}"]
    return "\n".join([*lines, f"{type(error).__name__}: {message_of(error)}"])


class FileReporter:
    """One JSON document a line; for a shop without a platform."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent = 0

    def report(self, event: Event) -> None:
        # O_APPEND: one short write, so lines of several requests do not mix.
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        self.sent += 1

    def counts(self) -> Mapping[str, int]:
        return {"sent": self.sent, "queued": 0, "dropped": 0, "refused": 0, "retried": 0}

    def close(self) -> None:
        return None
