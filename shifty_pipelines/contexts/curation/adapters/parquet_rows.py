"""Parquet, read a thousand rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shifty_pipelines.contexts.curation.domain.import_rows import FileRow
from shifty_pipelines.contexts.curation.errors import ImportFileUnusable

BATCH_ROWS = 1_000


class ParquetRows:
    """A Parquet file; null is None, and text that is not UTF-8 holds lone surrogates, as in the text formats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_rows = 0
        self._file = self._opened()
        self._columns = tuple(self._file.schema_arrow.names)
        if len(set(self._columns)) < len(self._columns):
            raise ImportFileUnusable(path, "names a column twice", "Rename one of them.")

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
        return min(self._read_rows / max(int(self._file.metadata.num_rows), 1), 1.0)

    def rows(self) -> Iterator[FileRow]:
        """See `RowFile.rows`."""
        self._read_rows = 0
        for batch in self._file.iter_batches(batch_size=BATCH_ROWS):
            columns = [_values(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                self._read_rows += 1
                yield FileRow(self._read_rows, dict(zip(self._columns, cells, strict=True)))

    def _opened(self) -> Any:
        import pyarrow  # noqa: ICN001, PLC0415  # 60 MB and 0.3 s that only a Parquet file is worth
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415

        try:
            return ParquetFile(self._path)
        except pyarrow.ArrowException as error:
            raise ImportFileUnusable(self._path, "is no readable Parquet file", f"Write it again ({error}).") from None


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        raw = column.cast("binary").to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]
