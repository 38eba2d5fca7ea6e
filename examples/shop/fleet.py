"""Several shops and their supplier gateway, each a process of its own, for as long as a ``with`` block lasts."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from examples.shop.server import TOKEN_VARIABLE

TENANTS = Path(__file__).parent / "tenants"
STOP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One shop to run: its settings; and the platform's tenant and token, if its events go there."""

    config: Path
    tenant_id: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningShop:
    """Where a shop answers, and the password of its staff."""

    port: int
    staff_password: str

    def counts(self) -> dict[str, int]:
        """What became of its error reports so far."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/health")
        health: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return dict(health["reports"])


class Fleet:
    """Starts all on entering, stops all on leaving; events go to the ``platform`` (a base URL) or to the file."""

    def __init__(
        self, tenants: Sequence[Tenant], *, events: Path | None = None, platform: str = "", seed: int = 7
    ) -> None:
        self.tenants = tenants
        self.events = events and events.resolve()
        self.platform = platform
        self.seed = seed
        self.shops: list[RunningShop] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            gateway = self._start(stack, ["examples.shop.upstream", "--seed", str(self.seed)], "")
            started = [(tenant, self._start_shop(stack, tenant, gateway)) for tenant in self.tenants]
            self.shops = [
                RunningShop(port=port_of(process), staff_password=staff_password(tenant.config))
                for tenant, process in started
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self._stack.close()
        return False

    def _start_shop(self, stack: ExitStack, tenant: Tenant, gateway: subprocess.Popen[str]) -> subprocess.Popen[str]:
        if not hasattr(self, "_gateway_port"):
            self._gateway_port = port_of(gateway)
        target = ["--platform", self.platform] if self.platform else ["--events", str(self.events)]
        command = ["examples.shop", "serve", "--tenant-config", str(tenant.config), "--tenant-id", tenant.tenant_id]
        supplier = f"127.0.0.1:{self._gateway_port}"
        return self._start(stack, [*command, "--supplier", supplier, *target], tenant.token)

    def _start(self, stack: ExitStack, module: list[str], token: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, "--end-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, TOKEN_VARIABLE: token},
            cwd=Path(__file__).parents[2],
        )
        stack.callback(stop, process)
        return process


def port_of(process: subprocess.Popen[str]) -> int:
    """The port a child prints first."""
    return int(process.stdout.readline()) if process.stdout else 0


def staff_password(config: Path) -> str:
    return str(tomllib.loads(config.read_text(encoding="utf-8"))["admin_password"])


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
