"""Around every request: a request id, a bounded body, counters, and one log line. Plain ASGI."""

import re
import time
import uuid
from collections import Counter, deque
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LATENCY_SAMPLES = 1000


class RequestFigures:
    """Counters of one process: requests by status, and the latest latencies."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.by_status: Counter[int] = Counter()
        self.by_service: Counter[str] = Counter()
        self.latencies_ms: deque[float] = deque(maxlen=LATENCY_SAMPLES)

    def add(self, service: str, status: int, latency_ms: float) -> None:
        """Count one answered request."""
        self.by_status[status] += 1
        self.by_service[service] += 1
        self.latencies_ms.append(latency_ms)

    @property
    def uptime_s(self) -> float:
        """Seconds since this process began to count."""
        return time.monotonic() - self.started_at


class RequestFrame:
    """Gives every request an id (the client's, if it is well formed), bounds its body, counts and logs it."""

    def __init__(self, app: ASGIApp, *, service: str, max_body_bytes: int, figures: RequestFigures) -> None:
        self.app = app
        self.service = service
        self.max_body_bytes = max_body_bytes
        self.figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within the frame."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        status = 500

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._bounded(scope, receive, send_framed, request_id)
        finally:
            latency_ms = (time.perf_counter() - began) * 1000
            self.figures.add(self.service, status, latency_ms)
            log.info(
                "request",
                service=self.service,
                method=scope["method"],
                path=scope["path"],
                status=status,
                latency_ms=round(latency_ms, 1),
            )

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        declared = _content_length(scope)
        if declared is not None and declared > self.max_body_bytes:
            await self._too_large(declared, request_id)(scope, receive, send)
            return
        body = await _read(receive, self.max_body_bytes)
        if body is None:
            await self._too_large(None, request_id)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)

    def _too_large(self, declared: int | None, request_id: str) -> JSONResponse:
        size = f"{declared} bytes" if declared else "larger"
        error = f"The body is {size}; this service takes at most {self.max_body_bytes} bytes. Send less, or in parts."
        # The keys of both refusal shapes: the body was refused before its route was known.
        content = {
            "success": False,
            "error": error,
            "message": error,
            "code": "kernel.body_too_large",
            "requestId": request_id,
            "correlationId": request_id,
        }
        return JSONResponse(content, status_code=413)

    @staticmethod
    def _request_id(scope: Scope) -> str:
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex  # noqa: TID251  # a log's id, not a row's


def _content_length(scope: Scope) -> int | None:
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() else None


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None once it grows past the limit (whatever its Content-Length said)."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
