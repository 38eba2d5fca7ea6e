"""Events to the platform over HTTP: a bounded queue, one background thread, retries; no request waits for it.

What cannot be delivered is counted: ``dropped`` (the queue was full, or time ran out at the end), ``refused`` (the
platform answered 4xx; sending the same again would not help).
"""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from examples.shop.reporting import Event

PATH = "/api/v1/errors"
QUEUE_MOST = 1000
ATTEMPTS = 6
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
TIMEOUT_S = 5.0
CLOSE_WITHIN_S = 5.0
TOO_MANY_REQUESTS = 429


class HttpReporter:
    """Posts events to ``{platform}/api/v1/errors`` with the tenant's bearer token."""

    def __init__(self, platform: str, token: str, *, queue_most: int = QUEUE_MOST) -> None:
        self._url = urlsplit(platform)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._queue: queue.Queue[Event] = queue.Queue(queue_most)
        self._counter: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="error-reporter", daemon=True)
        self._thread.start()

    def report(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._count("dropped")

    def counts(self) -> Mapping[str, int]:
        kinds = ("sent", "dropped", "refused", "retried")
        return {**{kind: self._counter[kind] for kind in kinds}, "queued": self._queue.unfinished_tasks}

    def close(self) -> None:
        """Sends what is queued, for a few seconds at most; the rest counts as dropped."""
        deadline_s = time.monotonic() + CLOSE_WITHIN_S
        while self._queue.unfinished_tasks and time.monotonic() < deadline_s:
            time.sleep(0.02)
        self._count("dropped", self._queue.unfinished_tasks)
        self._closing.set()

    def _count(self, kind: str, by: int = 1) -> None:
        with self._lock:
            self._counter[kind] += by

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                event = self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
            self._count(self._deliver(event))
            self._queue.task_done()

    def _deliver(self, event: Event) -> str:
        pause_s = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self._count("retried")
                self._closing.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            status = self._post(event)
            if status is not None and status < 300:
                return "sent"
            if status is not None and 400 <= status < 500 and status != TOO_MANY_REQUESTS:
                return "refused"
        return "dropped"

    def _post(self, event: Event) -> int | None:
        """The status answered; None if there was no answer."""
        if self._connection is None:
            kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
            self._connection = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
        try:
            headers = {**self._headers, "idempotency-key": event["externalId"]}
            self._connection.request("POST", self._url.path.rstrip("/") + PATH, json.dumps(event), headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            self._connection.close()
            self._connection = None
            return None
        return response.status
