"""A real `shifty up` in a home and on ports of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

READY_S = 150


def free_block(count: int = 13) -> int:
    """The first port of a block that is free now; below the ephemeral range, so nobody is given one meanwhile."""
    for base in range(12_000 + os.getpid() % 400 * 20, 31_000, 20):
        if all(_is_free(base + offset) for offset in range(count + 1)):
            return base
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.1)


@dataclass
class Running:
    """One home with its ports, and the `shifty up` that runs from it."""

    home: Path
    base_port: int
    process: subprocess.Popen[str] | None = None
    output: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "SHIFTY_HOME": str(self.home),
            "SHIFTY_BASE_PORT": str(self.base_port),
            "SHIFTY_DAGSTER_PORT": str(self.base_port + 13),
            "COLUMNS": "200",
        }
        return {**{name: value for name, value in os.environ.items() if not name.startswith("SHIFTY_")}, **own}

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.base_port}"

    @property
    def dagster(self) -> str:
        return f"http://localhost:{self.base_port + 13}"

    def shifty(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shifty_pipelines.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def up(self) -> None:
        """Start, and wait until `up` says that everything is."""
        log = (self.home.parent / f"{self.home.name}.up.log").open("w+")
        command = [sys.executable, "-m", "shifty_pipelines.cli", "up"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=log, stderr=log, text=True, start_new_session=True
        )

        def is_up() -> bool:
            log.seek(0)
            self.output = log.read().splitlines()
            assert self.process is not None
            assert self.process.poll() is None, "\n".join(self.output)
            return any("Ctrl-C stops everything" in line for line in self.output)

        wait_until(is_up, timeout_s=READY_S, what="shifty up")

    def credentials(self) -> tuple[str, str]:
        text = "\n".join(self.output)
        email, password = re.search(r"e-mail\s+(\S+)", text), re.search(r"password\s+(\S+)", text)
        assert email, text
        assert password, text
        return email[1], password[1]

    def operator_token(self) -> str:
        return (self.home / "secrets" / "operator-token").read_text()

    def is_healthy(self) -> bool:
        try:
            return bool(httpx.get(f"{self.api}/health", timeout=2).json()["status"] == "healthy")
        except (httpx.HTTPError, KeyError, ValueError):
            return False

    def child(self, name: str) -> psutil.Process:
        import json

        entries: list[dict[str, Any]] = json.loads((self.home / "run" / "processes.json").read_text())
        return psutil.Process(next(entry["pid"] for entry in entries if entry["name"] == name))

    def processes(self) -> list[psutil.Process]:
        """Every process of this home, the database server aside."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SHIFTY_HOME") == str(self.home) and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)
