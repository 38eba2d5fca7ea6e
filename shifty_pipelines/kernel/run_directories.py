"""Private directories for work on decrypted data: 0700, gone on every exit path, and by `sweep` after a kill.

Each holds a note of the process it belongs to, so that a sweep removes what a dead process left and nothing else.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from shifty_pipelines.kernel.disk_space import refusing_when_full
from shifty_pipelines.kernel.process_identity import ProcessIdentity

OWNER_NAME = ".owner.json"
#: Between making a directory and noting its owner pass milliseconds; after this its maker was killed in between.
UNCLAIMED_S = 60.0


class RunDirectories:
    """Directories under one root, each for one run.

    Args:
        root: made on first use, 0700.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def private(self, name: str) -> Iterator[Path]:
        """A fresh directory for the block; what an earlier run of that name left is removed first.

        Raises:
            NoSpaceLeft: the disk is full, wherever in the block that was met.
        """
        directory = self._root / name
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            with refusing_when_full(self._root):
                _note_owner(directory)
                yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove what dead processes of this machine left; the names."""
        if not self._root.is_dir():
            return []
        dead = [path for path in self._root.iterdir() if path.is_dir() and not _has_living_owner(path)]
        for path in dead:
            shutil.rmtree(path, ignore_errors=True)
        return sorted(path.name for path in dead)


def _note_owner(directory: Path) -> None:
    """Whole from the moment it is there, or a sweep that finds half a note takes the living for dead."""
    owner = ProcessIdentity.of(os.getpid())
    fresh = directory / f"{OWNER_NAME}.new"
    fresh.write_text(json.dumps(asdict(owner) if owner else None), encoding="utf-8")
    fresh.rename(directory / OWNER_NAME)


def _has_living_owner(directory: Path) -> bool:
    try:
        owner = ProcessIdentity(**json.loads((directory / OWNER_NAME).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return _is_younger_than(directory, UNCLAIMED_S)
    except (ValueError, TypeError):
        return False
    return owner.is_alive()


def _is_younger_than(directory: Path, age_s: float) -> bool:
    try:
        return time.time() - directory.stat().st_mtime < age_s
    except FileNotFoundError:
        return False  # gone meanwhile, by its owner
