"""The installation that is killed again and again, and who its processes are."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.kernel.provisioning import PLATFORM_DATABASE
from shifty_pipelines.settings import Settings
from tests.crash.engineer import Engineer
from tests.e2e.running import Running, free_block

CENSUS_EVERY_S = 0.3
POSTMASTER = "postgres"


@dataclass
class Site:
    """A real `shifty up`. A census remembers every process it ever had, so that none is overlooked later."""

    home: Path
    running: Running = field(init=False)
    postgres: EmbeddedPostgres = field(init=False)
    platform: Platform = field(init=False)

    def __post_init__(self) -> None:
        self.running = Running(self.home, free_block(14))
        self.postgres = EmbeddedPostgres(self.home)
        self._known: set[psutil.Process] = set()
        self._closed = threading.Event()

    def open(self) -> None:
        self.running.up()
        self.platform = build_platform(Settings(home=self.home))
        threading.Thread(target=self._take_census, name="census", daemon=True).start()

    def ensure_up(self) -> None:
        """Start again if an earlier kill left the installation down."""
        assert self.running.process is not None
        if self.running.process.poll() is not None:
            self.running.up()

    def close(self) -> None:
        self._closed.set()
        self.platform.dispose()
        self.running.shifty("down")
        self.postgres.remove()

    def engineer(self) -> Engineer:
        return Engineer(Operator(self.running.dagster, self.running.operator_token()))

    def query(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        """Rows, read as superuser: every statement names its tenant."""
        url = self.postgres.address().url(driver="postgresql", database=PLATFORM_DATABASE)
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]

    # ------------------------------------------------------------------------------------------------------- processes

    def find(self, name: str) -> psutil.Process | None:
        """The process of this name, if there is one now."""
        if name == "supervisor":
            return self._supervisor()
        if name == POSTMASTER:
            number = self.postgres.postmaster()
            return psutil.Process(number) if number else None
        try:
            if name in ("run worker", "trainer"):
                below = self.running.child("code server").children(recursive=True)
                is_it = _is_trainer if name == "trainer" else _is_run_worker
                return next((process for process in below if is_it(process)), None)
            return self.running.child("api" if name == "sidecar" else name)
        except (psutil.Error, OSError, StopIteration, ValueError):
            return None

    def leftovers(self) -> list[str]:
        """What still runs and should not: workers, trainers, and all that was ours and has no living parent of ours."""
        family = set(self._family())
        odd = [process for process in family if _is_trainer(process) or _is_run_worker(process)]
        odd += [process for process in self._known - family if process.is_running() and not _is_zombie(process)]
        return [_told(process) for process in odd]

    def postmasters(self) -> int:
        """How many servers work on our data directory."""
        found = 0
        for process in psutil.process_iter(["name", "cmdline"]):
            arguments = process.info["cmdline"] or []
            found += process.info["name"] == "postgres" and str(self.postgres.data_dir) in arguments
        return found

    def take_census(self) -> None:
        """Remember everybody who is there now."""
        self._known |= set(self._family())

    def _take_census(self) -> None:
        while not self._closed.wait(CENSUS_EVERY_S):
            self.take_census()

    def _family(self) -> Iterator[psutil.Process]:
        try:
            yield from self._supervisor().children(recursive=True)
        except psutil.Error:
            return

    def _supervisor(self) -> psutil.Process:
        assert self.running.process is not None
        return psutil.Process(self.running.process.pid)


def kill(process: psutil.Process) -> None:
    """kill -9, and wait until it is gone."""
    process.kill()
    deadline_s = time.monotonic() + 10
    while process.is_running() and not _is_zombie(process):
        assert time.monotonic() < deadline_s, f"{process} survives SIGKILL"
        time.sleep(0.01)


def _arguments(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _is_trainer(process: psutil.Process) -> bool:
    arguments = _arguments(process)
    return "-m shifty_trainer" in arguments and "shifty_trainer.serve" not in arguments


def _is_run_worker(process: psutil.Process) -> bool:
    return "multiprocessing.spawn" in _arguments(process)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _told(process: psutil.Process) -> str:
    return f"{process.pid} {_arguments(process)[:120]}"
