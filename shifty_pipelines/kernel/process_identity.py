"""Which process exactly: a number alone may be another's by now."""

import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process by host, boot, number and start time (seconds since the epoch): no two processes share all four."""

    host: str
    boot_id: str
    pid: int
    started_at_s: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The identity of a living process, or None."""
        try:
            started_at_s = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return None
        return cls(host=platform.node(), boot_id=_boot_id(), pid=pid, started_at_s=started_at_s)

    def is_alive(self) -> bool:
        """Whether this very process runs on this machine now; a zombie does not."""
        current = ProcessIdentity.of(self.pid)
        if current is None or (current.host, current.boot_id) != (self.host, self.boot_id):
            return False
        # create_time is computed from the boot time, which the kernel may correct by a little
        if abs(current.started_at_s - self.started_at_s) > 1.0:
            return False
        try:
            return bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return str(psutil.boot_time())
