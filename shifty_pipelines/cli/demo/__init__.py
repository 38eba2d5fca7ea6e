"""`shifty demo`: the main job on real input, over HTTP and Dagster as people would do it, with visible progress."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from shifty_pipelines.cli.demo.cast import found_tenants
from shifty_pipelines.cli.demo.footprint import Footprint
from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.cli.demo.story import Story
from shifty_pipelines.cli.demo.summary import show
from shifty_pipelines.cli.processes import embedded, keep_database, prepared
from shifty_pipelines.cli.start import Started, start_children
from shifty_pipelines.cli.terminal import console, step
from shifty_pipelines.kernel.secret_files import secret_file
from shifty_pipelines.kernel.supervisor import Supervisor, hold
from shifty_pipelines.settings import Settings

#: Errors of both shops together: some hundred rows a tenant after equals are merged.
ERRORS = 300


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    errors: Annotated[int, typer.Option(min=120, max=5000, help="Errors that the two shops shall raise.")] = ERRORS,
    seed: Annotated[int, typer.Option(help="Of shoppers and simulated labelers.")] = 7,
) -> None:
    """Show the main job end to end on real input, and end with what happened.

    Two small web shops really fail; their errors become missions; simulated labelers answer them; the labels become a
    checked dataset for each of the two tenants; an adapter is trained and evaluated beside a frozen head, the better of
    both is registered, promoted, deployed, rolled back, and answers over the API. A candidate that learnt nothing is
    refused.
    """
    settings = Settings()
    began_s = time.monotonic()
    with _running_platform(settings, keep=keep) as started, Footprint(_postmaster(settings)) as footprint:
        gateway = f"http://{settings.bind}:{settings.base_port}"
        operator_token = secret_file(settings.home / "secrets", "operator-token")
        with step("people: two tenants, each with an owner, a guest and seven simulated labelers"):
            tenants = found_tenants(started.platform, gateway)
        operator = Operator(f"http://127.0.0.1:{settings.dagster_port}", operator_token)
        with started.platform.runs.private("demo") as directory:
            story = Story(tenants, gateway, operator, directory, seed=seed)
            outcomes = story.tell(errors=errors)
        show(outcomes, elapsed_s=time.monotonic() - began_s, peak_bytes=footprint.peak_bytes)
        console.print(f"API      {gateway}/api/docs")
        console.print(f"Dagster  http://localhost:{settings.dagster_port}/?token={operator_token}", soft_wrap=True)
        if not keep:
            console.print("all of it stops now; after `make up` (or with `make demo KEEP=1`) these work:")
        for line in story.closing_lines():
            console.print(line, soft_wrap=True)


@contextmanager
def _running_platform(settings: Settings, *, keep: bool) -> Iterator[Started]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is below is stopped, as by Ctrl-C
    with hold(settings.home) as lock, prepared(settings) as started:
        supervisor = Supervisor(settings.home, lock, watch=keep_database(settings), say=console.print)
        try:
            with step("processes: API, code server, Dagster UI, daemon"):
                start_children(supervisor, settings, started)
            yield started
            if keep:
                console.print("everything is still running; Ctrl-C stops it")
                supervisor.run()
        finally:
            supervisor.stop()


def _postmaster(settings: Settings) -> Callable[[], int | None]:
    server = None if settings.database_url else embedded(settings)
    return lambda: server.postmaster() if server is not None else None
