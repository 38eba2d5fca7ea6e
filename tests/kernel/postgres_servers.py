"""Servers of throw-away homes, what to ask them, and how to treat them badly."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres, PostgresAddress

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
PATIENCE_S = 60

OPENING = """
import sys
from pathlib import Path
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
"""


@contextmanager
def servers() -> Iterator[Callable[..., EmbeddedPostgres]]:
    """A maker of servers; all of them are stopped and removed in the end."""
    made: list[EmbeddedPostgres] = []

    def at(home: Path, **options: Any) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(home, **options))
        return made[-1]

    try:
        yield at
    finally:
        for server in made:
            server.stop()
            # As root these lie outside the home, under /var/lib/shifty/<hash of the home>.
            shutil.rmtree(server.data_dir.parent, ignore_errors=True)
            shutil.rmtree(server.socket_dir, ignore_errors=True)


def private_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a home may be made, below a folder that is closed to everybody else."""
    private = tmp_path_factory.mktemp("private")
    private.chmod(0o700)
    return private / "home"


def connected(address: PostgresAddress) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(address.url(driver="postgresql"), autocommit=True)


def asked(address: PostgresAddress, query: str) -> Any:
    """The first value of the answer."""
    with connected(address) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def postmaster(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.data_dir / "postmaster.pid").read_text().splitlines()[0]))


def kill_postmaster(server: EmbeddedPostgres) -> int:
    """Kill -9 the server alone; its children notice by themselves."""
    process = postmaster(server)
    process.kill()
    process.wait(PATIENCE_S)
    return int(process.pid)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.005)


def python(code: str, home: Path, **options: Any) -> "subprocess.Popen[str]":
    """Our code in another process, where `server` is the one of `home`."""
    program = OPENING + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, text=True, **options)
