"""How the command line speaks: steps with their time, refusals without tracebacks."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from shifty_pipelines.kernel.errors import ShiftyError

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """One visible step: a spinner while it runs on a terminal, its time when it is done.

    Yields a function that shows how far the step has come.
    """
    began = time.perf_counter()
    with console.status(title) as status:
        yield lambda news: status.update(f"{title} [dim]{news}[/]")
    console.print(f"[green]✓[/] {title} [dim]{time.perf_counter() - began:.1f} s[/]")


class SideBySide:
    """Several stories at once, each with a step of its own: one line of news for all, one line per finished step."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._news: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def step(self, who: str, title: str) -> Iterator[Callable[[str], None]]:
        """One visible step of one story; yields a function that shows how far it has come."""
        began = time.perf_counter()
        try:
            self._say(who, title)
            yield lambda news: self._say(who, f"{title} {news}")
        finally:
            self._say(who, None)
        console.print(f"[green]✓[/] {who}: {title} [dim]{time.perf_counter() - began:.1f} s[/]")

    def _say(self, who: str, news: str | None) -> None:
        with self._lock:
            if news is None:
                self._news.pop(who, None)
            else:
                self._news[who] = news
            self._status.update(" [dim]|[/] ".join(f"{who}: {news}" for who, news in sorted(self._news.items())))


@contextmanager
def side_by_side() -> Iterator[SideBySide]:
    """Steps of several stories that run at the same time."""
    with console.status("") as status:
        yield SideBySide(status)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a refusal into one message on stderr and exit status 1."""
    try:
        yield
    except ShiftyError as refusal:
        error_console.print(f"[red]refused[/] ({refusal.code}): {escape(refusal.message)}", soft_wrap=True)
        sys.exit(1)
    except ValidationError as refusal:
        for problem in refusal.errors():
            where = ".".join(str(part) for part in problem["loc"])
            error_console.print(f"[red]refused[/] (settings): {where}: {problem['msg']}", soft_wrap=True)
        sys.exit(1)
    except (TimeoutError, OSError) as failure:
        error_console.print(f"[red]failed[/]: {failure}", soft_wrap=True)
        sys.exit(1)
