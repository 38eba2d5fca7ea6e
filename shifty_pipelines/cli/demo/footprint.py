"""How much memory all our processes hold: the peak of their summed proportional set sizes (proc(5), smaps_rollup)."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

#: The kernel walks every page table for one sample: 60 ms of processor time with all our processes up.
EVERY_S = 3.0


class Footprint:
    """Samples in the background for as long as a `with` block lasts.

    Args:
        postmaster: the embedded server's process number, which is no child of ours; None where it is not ours.
    """

    def __init__(self, postmaster: Callable[[], int | None]) -> None:
        self._postmaster = postmaster
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(EVERY_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(pss_bytes, self._processes())))

    def _processes(self) -> Iterator[int]:
        for root in (os.getpid(), self._postmaster()):
            if root is None:
                continue
            yield root
            with suppress(psutil.NoSuchProcess):
                yield from (child.pid for child in psutil.Process(root).children(recursive=True))


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process; 0 where it has ended, or is not ours to look at."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
