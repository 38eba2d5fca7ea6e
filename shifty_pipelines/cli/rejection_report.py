"""The report of an import: a CSV file of the rows that were rejected, where, why, and what to do about each.

It is written beside and put in place whole, so a report that is there belongs to an import that went to its end.
"""

import csv
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from shifty_pipelines.contexts.curation.domain.row_rejections import Rejection

HEADER = ("file", "row", "column", "reason", "value", "remedy")
#: Rejections that the terminal shows; all of them stand in the report.
SHOWN = 5


class RejectionList:
    """Lines of the report, as they come; the first few are kept to be shown."""

    def __init__(self, file: IO[str] | None) -> None:
        self._writer: Any = csv.writer(file, lineterminator="\n") if file is not None else None
        self.first: list[tuple[str, Rejection]] = []
        if self._writer is not None:
            self._writer.writerow(HEADER)

    def add(self, file_name: str, rejection: Rejection) -> None:
        """See `RejectionReport.add`."""
        if len(self.first) < SHOWN:
            self.first.append((file_name, rejection))
        if self._writer is not None:
            line = (
                file_name,
                rejection.row,
                rejection.column,
                rejection.reason.value,
                rejection.value,
                rejection.remedy,
            )
            self._writer.writerow(line)


@contextmanager
def rejection_report(path: Path | None) -> Iterator[RejectionList]:
    """A report at `path`, replaced only when the block ends well; without a path nothing is written."""
    if path is None:
        yield RejectionList(None)
        return
    # A file without a name until it is whole: an import that is killed leaves nothing beside the operator's files.
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", errors="backslashreplace", newline="", dir=path.parent
    ) as nameless:
        yield RejectionList(nameless)
        nameless.flush()
        _put_in_place(nameless.fileno(), path)


def _put_in_place(content: int, path: Path) -> None:
    # Two imports at once may report to one place: the last one to end wins, with a whole report.
    ready = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with ready.open("wb") as file:
            os.lseek(content, 0, os.SEEK_SET)
            while piece := os.read(content, 1 << 20):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        ready.replace(path)
    finally:
        ready.unlink(missing_ok=True)
