"""The rows of a training run: loaded with `datasets`, checked once, cut to a safe length.

Cleaning, grouping and splitting belong to curation and happened before; here a row is taken as it is or refused.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shifty_trainer.refusals import (
    CellInvalid,
    CellMissing,
    DatasetUnreadable,
    OneClassOnly,
    SplitEmpty,
    TextsBlank,
)
from shifty_trainer.texts import MAX_TEXT_CHARS, bounded

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
COLUMNS = ("row_id", "text", "label", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows side by side: `label_ids[i]` indexes `labels`, `splits[i]` is one of `SPLITS`."""

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    label_ids: np.ndarray
    splits: np.ndarray
    labels: tuple[str, ...]
    digest: str
    cut_text_count: int

    def positions(self, *splits: str) -> np.ndarray:
        """Row numbers of these splits, in file order; int array ``(n,)``."""
        return np.flatnonzero(np.isin(self.splits, splits))

    def texts_at(self, positions: np.ndarray) -> list[str]:
        """The texts of these row numbers."""
        return [self.texts[position] for position in positions]


def load_rows(path: Path, *, labels: Sequence[str], cache_dir: Path) -> Rows:
    """The checked rows of a Parquet file with columns row_id, text, label and split.

    Args:
        path: the file.
        labels: the label set; its order is the order of every probability written later.
        cache_dir: where `datasets` may put its plaintext copy.

    Raises:
        DatasetUnreadable: no such file, not Parquet, or a column is missing.
        CellMissing: a cell is null or NaN.
        CellInvalid: an unknown label or split, a text that is no text, or a row id seen before.
        SplitEmpty: a split has no rows.
        OneClassOnly: the training rows carry one label.
        TextsBlank: no training text holds a visible character.
    """
    table = _read(path, cache_dir)
    row_ids = [str(value) if not _is_missing(value) else f"#{number}" for number, value in enumerate(table["row_id"])]
    for column in COLUMNS:
        _check_column(column, table[column], row_ids)
    _check_domain("label", table["label"], row_ids, tuple(labels))
    _check_domain("split", table["split"], row_ids, SPLITS)
    _check_unique(row_ids)
    texts = tuple(bounded(text) for text in table["text"])
    number_of = {label: number for number, label in enumerate(labels)}
    rows = Rows(
        row_ids=tuple(row_ids),
        texts=texts,
        label_ids=np.array([number_of[label] for label in table["label"]], dtype=np.int64),
        splits=np.array(table["split"], dtype=object),
        labels=tuple(labels),
        digest=_digest(table, labels),
        cut_text_count=sum(len(text) > MAX_TEXT_CHARS for text in table["text"]),
    )
    _check_trainable(rows)
    return rows


def _read(path: Path, cache_dir: Path) -> dict[str, list[Any]]:
    if not path.is_file():
        raise DatasetUnreadable(path, "does not exist")
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise DatasetUnreadable(path, "is not a Parquet file") from error
    present = metadata.schema.to_arrow_schema().names
    missing = [column for column in COLUMNS if column not in present]
    if missing:
        raise DatasetUnreadable(path, f"lacks the column {', '.join(missing)} (it has {', '.join(present)})")
    if metadata.num_rows == 0:  # `datasets` trips over an empty file
        return {column: [] for column in COLUMNS}
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        loaded = datasets.Dataset.from_parquet(str(path), cache_dir=str(cache_dir), columns=list(COLUMNS))
    except datasets.exceptions.DatasetGenerationError as error:
        raise DatasetUnreadable(path, "is damaged and cannot be read to its end") from error
    return {column: list(loaded[column]) for column in COLUMNS}


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _check_column(column: str, values: list[Any], row_ids: list[str]) -> None:
    for row_id, value in zip(row_ids, values, strict=True):
        if _is_missing(value):
            raise CellMissing(row_id, column)
        if column != "row_id" and not isinstance(value, str):
            raise CellInvalid(row_id, column, f"is of type {type(value).__name__}; write it as a string")


def _check_domain(column: str, values: list[str], row_ids: list[str], known: tuple[str, ...]) -> None:
    for row_id, value in zip(row_ids, values, strict=True):
        if value not in known:
            raise CellInvalid(row_id, column, f"{value[:40]!r} is not one of {', '.join(known)}; correct it")


def _check_unique(row_ids: list[str]) -> None:
    row_id, count = max(Counter(row_ids).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise CellInvalid(
            row_id, "row_id", f"occurs {count} times; a row may stand in one split only, so drop the others"
        )


def _check_trainable(rows: Rows) -> None:
    counts = {split: len(rows.positions(split)) for split in SPLITS}
    for split in SPLITS:
        if counts[split] == 0:
            raise SplitEmpty(split, {name: count for name, count in counts.items() if count})
    train = rows.positions(TRAIN)
    classes = np.unique(rows.label_ids[train])
    if len(classes) == 1:
        raise OneClassOnly(rows.labels[classes[0]], len(train))
    if not any(text.strip() for text in rows.texts_at(train)):
        raise TextsBlank(len(train))


def _digest(table: dict[str, list[Any]], labels: Sequence[str]) -> str:
    """sha256 over label set and rows in order of row id: the same rows in another file order have the same digest."""
    digest = hashlib.sha256(json.dumps(list(labels)).encode())
    cells = zip(*(table[column] for column in COLUMNS), strict=True)
    for row in sorted(cells, key=lambda row: str(row[0])):
        digest.update(json.dumps([str(cell) for cell in row]).encode())
    return digest.hexdigest()
