"""A full disk as a refusal that says where, how much is left, and what to do."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shifty_pipelines.kernel.errors import ShiftyError

#: The disk, the user's quota, or the largest file that is allowed.
NO_SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoSpaceLeft(ShiftyError):
    """A write did not fit."""

    status = 507
    code = "disk.no_space_left"

    def __init__(self, folder: Path, *, free_bytes: int | None) -> None:
        free = "" if free_bytes is None else f" ({free_bytes:,} bytes are free)"
        super().__init__(
            f"There is no space left for a file in {folder}{free}, or a quota or file size limit is used up. "
            "Nothing half-written was kept. Free some space, or raise the limit, and ask again.",
            free_bytes=free_bytes,
        )


@contextmanager
def refusing_when_full(folder: Path) -> Iterator[None]:
    """Turn "no space" from anywhere inside, however libraries wrapped it, into a refusal.

    Raises:
        NoSpaceLeft: the disk, the quota or the file size limit is exhausted.
    """
    try:
        yield
    except ShiftyError:
        raise  # a refusal already
    except Exception as error:
        if not _is_no_space(error):
            raise
        raise NoSpaceLeft(folder, free_bytes=_free_bytes(folder)) from error


def _is_no_space(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE_ERRNOS:
            return True
        error = error.__cause__ or error.__context__
    return False


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
