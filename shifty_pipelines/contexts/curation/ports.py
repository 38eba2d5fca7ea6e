"""What curation needs from outside: files of rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from shifty_pipelines.contexts.curation.domain.import_rows import FileRow


class RowFile(Protocol):
    """A file of rows with named columns, read as a stream; a row that cannot be read is a row that says why."""

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by name, in order; of JSON lines, those of the first object."""
        ...

    @property
    def fraction_read(self) -> float:
        """How much of the file the present stream has gone through, 0 to 1."""
        ...

    def rows(self) -> Iterator[FileRow]:
        """Every row, from the start; blank lines are none. The same file gives the same rows."""
        ...


class RowFiles(Protocol):
    """Opens files of rows."""

    def open(self, path: Path) -> RowFile:
        """The file, by its ending: .csv, .jsonl or .ndjson, .parquet.

        Raises:
            ImportFileUnusable: it is missing, empty, of another kind, or no row of it can be read.
        """
        ...
