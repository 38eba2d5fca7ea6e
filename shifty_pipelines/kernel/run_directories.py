"""Private directories for work on decrypted data: 0700, gone on every exit path, and by `sweep` after a kill.

Each holds a note of the process it belongs to, so that a sweep removes what a dead process left and nothing else.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from shifty_pipelines.kernel.process_identity import ProcessIdentity

OWNER_NAME = ".owner.json"


class RunDirectories:
    """Directories under one root, each for one run.

    Args:
        root: made on first use, 0700.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def private(self, name: str) -> Iterator[Path]:
        """A fresh directory for the block; what an earlier run of that name left is removed first."""
        directory = self._root / name
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            owner = ProcessIdentity.of(os.getpid())
            (directory / OWNER_NAME).write_text(json.dumps(asdict(owner) if owner else None), encoding="utf-8")
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


def _has_living_owner(directory: Path) -> bool:
    try:
        owner = ProcessIdentity(**json.loads((directory / OWNER_NAME).read_text(encoding="utf-8")))
    except FileNotFoundError:
        # Between mkdir and the note; a directory that stays without one is swept by whoever takes its name next.
        return True
    except (ValueError, TypeError):
        return False
    return owner.is_alive()
