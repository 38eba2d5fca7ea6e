"""CSV by RFC 4180: a header, then one row per record."""

import csv
from collections.abc import Iterator
from pathlib import Path

from shifty_pipelines.contexts.curation.adapters.text_lines import MAX_LINE_BYTES, TextLines
from shifty_pipelines.contexts.curation.domain.import_rows import FileRow
from shifty_pipelines.contexts.curation.domain.row_rejections import REMEDIES, Reason, RowRefused
from shifty_pipelines.contexts.curation.errors import ImportFileUnusable

HEADER_REMEDY = "Its first line must name the columns, each once, in UTF-8 with commas between them."


class CsvRows:
    """A CSV file; `strict`, so that a stray quote is told and not guessed at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = TextLines(path)
        csv.field_size_limit(MAX_LINE_BYTES)  # of the process; its default would stop at 131,072 characters
        self._columns = self._header()

    @property
    def name(self) -> str:
        """See `RowFile.name`."""
        return self._path.name

    @property
    def columns(self) -> tuple[str, ...]:
        """See `RowFile.columns`."""
        return self._columns

    @property
    def fraction_read(self) -> float:
        """See `RowFile.fraction_read`."""
        return self._lines.fraction_read

    def rows(self) -> Iterator[FileRow]:
        """See `RowFile.rows`."""
        self._lines = TextLines(self._path)
        reader = csv.reader(iter(self._lines), strict=True)
        next(reader)
        while True:
            first = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _refused(first, reader.line_num, str(error))
                continue
            if self._lines.was_cut_between(first, reader.line_num):
                yield _too_long(first)
            elif cells:
                yield self._row(first, cells)

    def _row(self, number: int, cells: list[str]) -> FileRow:
        if len(cells) != len(self._columns):
            problem = f"{len(cells)} cells, the header has {len(self._columns)}"
            return FileRow(number, refused=RowRefused(Reason.MALFORMED_ROW, None, problem))
        return FileRow(number, dict(zip(self._columns, cells, strict=True)))

    def _header(self) -> tuple[str, ...]:
        try:
            header = next(csv.reader(iter(self._lines), strict=True), None)
        except csv.Error as error:
            raise ImportFileUnusable(self._path, f"has a header that is no CSV ({error})", HEADER_REMEDY) from None
        if not header:
            raise ImportFileUnusable(self._path, "is empty", HEADER_REMEDY)
        columns = tuple(name.strip() for name in header)
        if any("\ud800" <= char <= "\udfff" or char == "\0" for name in columns for char in name):
            raise ImportFileUnusable(
                self._path, "is not UTF-8", "Save it as UTF-8, e.g. with iconv -f utf-16 -t utf-8."
            )
        if len(set(columns)) < len(columns):
            twice = next(name for n, name in enumerate(columns) if name in columns[:n])
            raise ImportFileUnusable(self._path, f"names the column '{twice}' twice", HEADER_REMEDY)
        return columns


def _refused(first: int, last: int, problem: str) -> FileRow:
    where = f"lines {first} to {last}: " if last > first else ""
    return FileRow(first, refused=RowRefused(Reason.MALFORMED_ROW, None, f"{where}{problem}"))


def _too_long(number: int) -> FileRow:
    refused = RowRefused(Reason.TOO_LONG, None, f"more than {MAX_LINE_BYTES:,} bytes", REMEDIES[Reason.TOO_LONG])
    return FileRow(number, refused=refused)
