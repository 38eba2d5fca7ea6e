"""Where stored ciphertext lies: one tenant's folder, local or on a file system that fsspec reaches.

Nothing here knows about keys; names are checked by `store`.
"""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

UNFINISHED = ".unfinished"


class NameTaken(Exception):
    """Another object stands under this name."""


class Folder(Protocol):
    """One tenant's objects, as ciphertext."""

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write; it becomes the object when the block ends well, and nothing when it does not.

        Raises:
            NameTaken: at the end of the block.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """The object, from its beginning; `FileNotFoundError` and its kin when there is none."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object, if there is one."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        ...

    def names(self) -> Iterator[str]:
        """All objects' names, in no order."""
        ...


class LocalFolder:
    """A directory. fsspec's local files are neither durable nor exclusive, so this asks the operating system itself."""

    def __init__(self, root: Path, tenant: str) -> None:
        self._root = root
        self._folder = root / tenant

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """See `Folder.create`; durable at the end of the block."""
        path = self._folder / name
        unfinished, fd = self._start()
        try:
            with os.fdopen(fd, "wb") as target:
                yield target
                target.flush()
                os.fsync(fd)
                self._publish(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._sync(path.parent)

    def open(self, name: str) -> BinaryIO:
        """See `Folder.open`; links are not followed."""
        return open(self._folder / name, "rb", opener=_open_no_link)

    def delete(self, name: str) -> None:
        """See `Folder.delete`; durable."""
        path = self._folder / name
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            path.unlink()
            self._sync(path.parent)

    def exists(self, name: str) -> bool:
        """See `Folder.exists`."""
        return (self._folder / name).is_file()

    def names(self) -> Iterator[str]:
        """See `Folder.names`."""
        for folder, below, files in os.walk(self._folder):
            below[:] = [part for part in below if part != UNFINISHED]
            yield from (str((Path(folder) / file).relative_to(self._folder)) for file in files)

    def _start(self) -> tuple[Path, int]:
        """A new file that nobody lists, locked for as long as its writer lives."""
        folder = self._folder / UNFINISHED
        self._make(folder)
        # Only under this lock are such files made and swept, so none is swept between its making and its locking.
        with (folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _sweep(folder)
            path = folder / secrets.token_hex(16)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            return path, fd

    def _publish(self, unfinished: Path, path: Path) -> None:
        try:
            self._make(path.parent)
            # Unlike a rename, a link never replaces what another process stored first.
            os.link(unfinished, path)
        except (FileExistsError, NotADirectoryError):
            raise NameTaken from None

    def _make(self, folder: Path) -> None:
        self._root.parent.mkdir(parents=True, exist_ok=True)
        for step in reversed([folder, *folder.parents]):
            if step.is_relative_to(self._root):
                step.mkdir(mode=0o700, exist_ok=True)

    def _sync(self, folder: Path) -> None:
        """Let a change in `folder` survive a power failure, and the folders above it, which may be new."""
        for step in (folder, *folder.parents):
            fd = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            if step == self._root.parent:
                return


class RemoteFolder:
    """A prefix on an fsspec file system; many of them show a file before it is whole, so it is sent when it is."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """See `Folder.create`; as atomic as the service's own upload."""
        with tempfile.NamedTemporaryFile("wb") as spool:  # ciphertext, like all that passes here
            yield cast("BinaryIO", spool)
            spool.flush()
            try:
                # Exclusive where the service can do that (S3: If-None-Match), elsewhere a look beforehand.
                self._filesystem.put_file(spool.name, f"{self._root}/{name}", mode="create")
            except (FileExistsError, NotADirectoryError):
                raise NameTaken from None

    def open(self, name: str) -> BinaryIO:
        """See `Folder.open`."""
        return cast("BinaryIO", self._filesystem.open(f"{self._root}/{name}", "rb"))

    def delete(self, name: str) -> None:
        """See `Folder.delete`; in a bucket with versions older versions stay, as ciphertext."""
        with suppress(FileNotFoundError):
            self._filesystem.rm_file(f"{self._root}/{name}")

    def exists(self, name: str) -> bool:
        """See `Folder.exists`."""
        return bool(self._filesystem.isfile(f"{self._root}/{name}"))

    def names(self) -> Iterator[str]:
        """See `Folder.names`."""
        for path in self._filesystem.find(self._root):
            yield path.removeprefix(f"{self._root}/")


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; a living one holds the lock on its file."""
    for path in folder.glob("[!.]*"):
        with suppress(FileNotFoundError, BlockingIOError), path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
