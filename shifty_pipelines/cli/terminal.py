"""How the command line speaks: steps with their time, refusals without tracebacks."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

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
