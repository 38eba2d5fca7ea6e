"""Opens a file of rows by its ending."""

from collections.abc import Callable, Mapping
from pathlib import Path

from shifty_pipelines.contexts.curation.adapters.csv_rows import CsvRows
from shifty_pipelines.contexts.curation.adapters.json_rows import JsonRows
from shifty_pipelines.contexts.curation.adapters.parquet_rows import ParquetRows
from shifty_pipelines.contexts.curation.errors import ImportFileUnusable
from shifty_pipelines.contexts.curation.ports import RowFile

READERS: Mapping[str, Callable[[Path], RowFile]] = {
    ".csv": CsvRows,
    ".jsonl": JsonRows,
    ".ndjson": JsonRows,
    ".parquet": ParquetRows,
}


class LocalRowFiles:
    """Files of this machine."""

    def open(self, path: Path) -> RowFile:
        """See `RowFiles.open`."""
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise ImportFileUnusable(path, f"ends in '{path.suffix}'", f"Use a file that ends in {', '.join(READERS)}.")
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise ImportFileUnusable(path, what, "Check the path.")
        if path.stat().st_size == 0:
            raise ImportFileUnusable(path, "is empty", "Check that it was written to the end.")
        return reader(path)
