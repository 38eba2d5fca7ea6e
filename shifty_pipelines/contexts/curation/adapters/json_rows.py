"""JSON lines: one object per line."""

import json
from collections.abc import Iterator
from pathlib import Path

from shifty_pipelines.contexts.curation.adapters.text_lines import MAX_LINE_BYTES, TextLines
from shifty_pipelines.contexts.curation.domain.import_rows import FileRow
from shifty_pipelines.contexts.curation.domain.row_rejections import Reason, RowRefused
from shifty_pipelines.contexts.curation.errors import ImportFileUnusable

#: How far to look for the first object, which names the columns.
MAX_LINES_BEFORE_FIRST_OBJECT = 100


class JsonRows:
    """A file of JSON objects, one a line; NaN is taken as a number, for the reader of the cell to refuse."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = TextLines(path)
        self._columns = self._first_keys()

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
        for number, line in enumerate(self._lines, start=1):
            if self._lines.was_cut_between(number, number):
                problem = f"more than {MAX_LINE_BYTES:,} bytes"
                yield FileRow(number, refused=RowRefused(Reason.TOO_LONG, None, problem))
            elif line.strip():
                yield _row(number, line)

    def _first_keys(self) -> tuple[str, ...]:
        is_empty = True
        for row in self.rows():
            is_empty = False
            if row.refused is None:
                return tuple(row.cells)
            if row.number > MAX_LINES_BEFORE_FIRST_OBJECT:
                break
        problem = "is empty" if is_empty else "does not begin with JSON objects"
        raise ImportFileUnusable(
            self._path, problem, 'Each line must be one JSON object, e.g. {"text": "...", "label": "bug"}.'
        )


def _row(number: int, line: str) -> FileRow:
    try:
        cells = json.loads(line.rstrip("\r\n"))
    except (ValueError, RecursionError) as error:
        # JSONDecodeError's own text would carry nothing of the line but its place; other errors say even less.
        problem = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else "no JSON"
        return FileRow(number, refused=RowRefused(Reason.MALFORMED_ROW, None, problem))
    if not isinstance(cells, dict):
        problem = f"a JSON {type(cells).__name__}, not an object"
        return FileRow(number, refused=RowRefused(Reason.MALFORMED_ROW, None, problem))
    return FileRow(number, cells)
