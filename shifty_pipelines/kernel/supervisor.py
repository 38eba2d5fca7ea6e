"""The supervisor: starts the platform's processes in the foreground, restarts what dies, one Ctrl-C stops all of it.

It holds `SHIFTY_HOME/lock`, inherited by its children: a second start names the holder, and after a killed supervisor
the next start ends the orphans on record before it starts.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from shifty_pipelines.kernel.errors import Conflict
from shifty_pipelines.kernel.process_identity import ProcessIdentity

STOP_TIMEOUT_S = 15.0
POLL_S = 0.5
#: Wait before the n-th restart in a row; a child that stayed up for a minute starts over.
RESTART_DELAYS_S: Sequence[float] = (0, 1, 2, 5, 10, 30)
STABLE_AFTER_S = 60.0


class AlreadyRunning(Conflict):
    """Another `shifty up` holds this home."""

    code = "kernel.already_running"

    def __init__(self, home: Path, holder: str) -> None:
        super().__init__(f"{home} is in use by {holder}. Stop it with `shifty down`, or set another SHIFTY_HOME.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One process to keep running.

    Attributes:
        is_ready: asked until it says yes, once after each start; may raise nothing.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log_path: Path
    is_ready: Callable[[], bool]
    address: str = ""


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes]
    started_at: float
    restarts: int = 0
    restart_at: float | None = None


class Supervisor:
    """Keeps a set of children running until told to stop.

    Args:
        home: SHIFTY_HOME; its lock must be held (see `hold`).
        watch: called on every turn of the loop; restarts what is not a child of ours (the embedded server).
        say: shows one line to the person at the terminal.
    """

    def __init__(self, home: Path, lock: IO[str], *, watch: Callable[[], None], say: Callable[[str], None]) -> None:
        self._record = home / "run" / "processes.json"
        self._lock = lock
        self._watch = watch
        self._say = say
        self._children: list[_Child] = []
        self._stopping = False

    def start(self, specs: Sequence[ChildSpec], *, timeout_s: float) -> None:
        """Start all children and wait until each is ready.

        Raises:
            TimeoutError: one is not ready in time; names it and its log.
        """
        for spec in specs:
            self._children.append(_Child(spec, self._spawn(spec), time.monotonic()))
            self._write_record()
        deadline = time.monotonic() + timeout_s
        for child in self._children:
            self._await_ready(child, deadline)
            self._say(f"{child.spec.name:<18} ready  {child.spec.address}")

    def run(self) -> None:
        """Watch over the children until SIGINT or SIGTERM, then stop all of them."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        while not self._stopping:
            self._watch()
            for child in self._children:
                self._tend(child)
            time.sleep(POLL_S)
        self.stop()

    def stop(self) -> None:
        """End every child, politely first."""
        self._stopping = True
        for child in reversed(self._children):
            _signal_group(child.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{child.spec.name} did not stop in {STOP_TIMEOUT_S:.0f} s; killed")
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self._children.clear()
        self._write_record()

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _await_ready(self, child: _Child, deadline: float) -> None:
        while not child.spec.is_ready():
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{child.spec.name} did not become ready; its log: {child.spec.log_path}")
            time.sleep(0.1)

    def _tend(self, child: _Child) -> None:
        """Restart a dead child after its delay."""
        now = time.monotonic()
        if child.restart_at is None and child.process.poll() is not None:
            if now - child.started_at > STABLE_AFTER_S:
                child.restarts = 0
            delay_s = RESTART_DELAYS_S[min(child.restarts, len(RESTART_DELAYS_S) - 1)]
            child.restart_at = now + delay_s
            _signal_group(child.process.pid, signal.SIGKILL)  # what it may have left behind in its group
            self._say(f"{child.spec.name} ended ({child.process.returncode}); restart in {delay_s:.0f} s")
        if child.restart_at is not None and now >= child.restart_at:
            child.process, child.started_at = self._spawn(child.spec), now
            child.restarts, child.restart_at = child.restarts + 1, None
            self._write_record()

    def _spawn(self, spec: ChildSpec) -> subprocess.Popen[bytes]:
        spec.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(spec.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                list(spec.argv),
                env=dict(spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,  # the terminal's Ctrl-C reaches the supervisor alone, which stops in order
                pass_fds=(self._lock.fileno(),),
            )
        finally:
            os.close(descriptor)

    def _write_record(self) -> None:
        entries = [
            {"name": child.spec.name, **asdict(identity)}
            for child in self._children
            if (identity := ProcessIdentity.of(child.process.pid)) is not None
        ]
        self._record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._record.with_suffix(".new")
        temporary.write_text(json.dumps(entries), encoding="utf-8")
        temporary.replace(self._record)


@contextmanager
def hold(home: Path) -> Iterator[IO[str]]:
    """Hold this home for one supervisor; ends the orphans of a killed one first.

    Raises:
        AlreadyRunning: another supervisor is alive; names it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "lock").open("a+", encoding="utf-8") as lock:
        if not _try_lock(lock):
            holder = _holder(lock)
            if holder is not None and holder.is_alive():
                raise AlreadyRunning(home, f"process {holder.pid} on this machine")
            end_orphans(home)
            _lock_within(lock, home, timeout_s=5.0)
        identity = ProcessIdentity.of(os.getpid())
        lock.seek(0)
        lock.truncate()
        json.dump(asdict(identity) if identity else {}, lock)
        lock.flush()
        yield lock


def end_orphans(home: Path) -> list[str]:
    """Kill the recorded children of a supervisor that is gone; returns their names."""
    try:
        entries = json.loads((home / "run" / "processes.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    ended = []
    for entry in entries:
        identity = ProcessIdentity(**{name: value for name, value in entry.items() if name != "name"})
        if identity.is_alive():  # the same process, not another that was given its number
            _signal_group(identity.pid, signal.SIGKILL)
            ended.append(entry["name"])
    return ended


def stop_running(home: Path, *, timeout_s: float = 2 * STOP_TIMEOUT_S) -> bool:
    """Ask the supervisor of this home to stop and wait for it; False if none runs."""
    try:
        with (home / "lock").open(encoding="utf-8") as lock:
            holder = _holder(lock)
    except FileNotFoundError:
        return False
    if holder is None or not holder.is_alive():
        return bool(end_orphans(home))
    os.kill(holder.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while holder.is_alive():
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {holder.pid} did not stop within {timeout_s:.0f} s")
        time.sleep(0.1)
    return True


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_within(lock: IO[str], home: Path, *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not _try_lock(lock):
        if time.monotonic() > deadline:
            raise AlreadyRunning(home, "a process that no record names (see who holds the file `lock` there)")
        time.sleep(0.05)


def _holder(lock: IO[str]) -> ProcessIdentity | None:
    lock.seek(0)
    try:
        return ProcessIdentity(**json.loads(lock.read()))
    except (ValueError, TypeError):
        return None


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of ours under this interpreter."""
    return [sys.executable, "-m", module, *arguments]
