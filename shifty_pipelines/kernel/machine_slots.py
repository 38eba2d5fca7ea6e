"""Turns on this machine: work that would only slow its like down, or must not meet it, takes one after another.

A slot is an flock(2) on a file, so the kernel frees it however its holder ends, and waiting costs nothing. Dagster's
pools are not enough: the first runs of a fresh installation pass them unseen, and with one run per slot the next
worker's imports only begin once the one before it has ended.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class MachineSlots:
    """Slots by name, one holder each.

    Args:
        root: directory of their files; made on first use, 0700.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def hold(self, name: str, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the slot for the block; `on_wait` is called once if somebody else has it."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._root / name).open("a", encoding="utf-8") as slot:
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(slot, fcntl.LOCK_EX)
            yield
