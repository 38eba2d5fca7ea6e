"""A decent client: it asks again, with the same natural keys, while nobody answers or the answer is a 5xx."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE_S = 240.0
PAUSE_S = 0.3
TIMEOUT_S = 60.0
PAGE = 200
#: Refusals that only say "not yet".
BUSY = frozenset({"idempotency.in_progress"})


class OutOfPatience(AssertionError):
    """The platform did not come back in time."""


@dataclass
class Client:
    """One person's client. `seen` counts what went wrong on the way."""

    gateway: str
    token: str = field(repr=False)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        self._http = httpx.Client(base_url=self.gateway, headers=headers, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, *, done: str | None = None, **rest: Any) -> Any:
        """The answer's data; None if it is the refusal that says that it was done before (`done`)."""

        def once() -> httpx.Response | None:
            answer = self._http.request(method, path, **rest)
            if answer.status_code >= 500 or (answer.status_code == 409 and _code(answer) in BUSY):
                self.seen[f"{answer.status_code} {_code(answer)}"] += 1
                return None
            return answer

        answer = patiently(once, seen=self.seen, what=f"{method} {path}")
        if done is not None and answer.status_code == 409 and _code(answer) == done:
            return None
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    def pages(self, path: str) -> Iterator[Any]:
        """Every entry of a paged list."""
        cursor: str | None = None
        while True:
            wanted = {"limit": PAGE, **({"cursor": cursor} if cursor else {})}
            answer = patiently(lambda wanted=wanted: self._page(path, wanted), seen=self.seen, what=f"GET {path}")
            body = answer.json()
            yield from body["data"]
            cursor = body["nextCursor"]
            if cursor is None:
                return

    def _page(self, path: str, wanted: dict[str, Any]) -> httpx.Response | None:
        answer = self._http.get(path, params=wanted)
        if answer.status_code >= 500:
            self.seen[f"{answer.status_code} {_code(answer)}"] += 1
            return None
        return answer


def patiently(
    ask: Callable[[], Any], *, seen: Counter[str], what: str, pause_s: float = PAUSE_S, patience_s: float = PATIENCE_S
) -> Any:
    """What `ask` gives once it gives something; connections that break are counted in `seen`."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            answer = ask()
        except httpx.TransportError as error:
            seen[type(error).__name__] += 1
            answer = None
        if answer is not None:
            return answer
        if time.monotonic() > deadline_s:
            raise OutOfPatience(f"{what}: nothing within {patience_s:.0f} s; seen {dict(seen)}")
        time.sleep(pause_s)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return ""
