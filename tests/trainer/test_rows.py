from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shifty_trainer.refusals import (
    CellInvalid,
    CellMissing,
    DatasetUnreadable,
    ExitCode,
    OneClassOnly,
    SplitEmpty,
    TextsBlank,
    TrainerRefusal,
)
from shifty_trainer.rows import Rows, load_rows
from shifty_trainer.texts import MAX_TEXT_CHARS, bounded
from tests.trainer.conftest import LABELS, sample_rows

SECRET = "nightingale"  # a word of a text; no refusal may repeat it


def load(tmp_path: Path, rows: pd.DataFrame) -> Rows:
    path = tmp_path / "dataset.parquet"
    rows.to_parquet(path)
    return load_rows(path, labels=LABELS, cache_dir=tmp_path / "cache")


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    written = sample_rows()
    rows = load(tmp_path, written)

    assert rows.row_ids == tuple(written.row_id)
    assert rows.texts == tuple(written.text)
    assert [rows.labels[number] for number in rows.label_ids] == list(written.label)
    assert list(rows.positions("validation")) == list(np.flatnonzero(written.split == "validation"))


def test_the_digest_depends_on_the_rows_and_not_on_their_order(tmp_path: Path) -> None:
    written = sample_rows()
    changed = written.assign(label=["feature", *written.label[1:]])

    digest = load(tmp_path / _made(tmp_path, "a"), written).digest
    assert load(tmp_path / _made(tmp_path, "b"), written.iloc[::-1]).digest == digest
    assert load(tmp_path / _made(tmp_path, "c"), changed).digest != digest


def test_plaintext_copies_stay_in_the_given_cache(tmp_path: Path) -> None:
    load(tmp_path, sample_rows())

    assert list((tmp_path / "cache").rglob("*.arrow"))


def _cell(column: str, value: object, *, number: int = 5) -> pd.DataFrame:
    rows = sample_rows()
    rows[column] = [value if row == number else old for row, old in enumerate(rows[column])]
    return rows


@pytest.mark.parametrize(
    ("rows", "refusal", "says"),
    [
        pytest.param(sample_rows().iloc[:0], SplitEmpty, "train has no rows (rows: none at all)", id="no rows"),
        pytest.param(sample_rows({"train": 4, "test": 2}), SplitEmpty, "validation has no rows", id="no validation"),
        pytest.param(sample_rows({"train": 4, "validation": 2}), SplitEmpty, "test has no rows", id="no test"),
        pytest.param(sample_rows().assign(label="bug"), OneClassOnly, "36 training rows", id="one class"),
        pytest.param(sample_rows().assign(text=" \n"), TextsBlank, "36 training texts", id="blank texts"),
        pytest.param(_cell("text", None), CellMissing, "row row-5 has no value", id="null text"),
        pytest.param(_cell("label", None), CellMissing, "column label", id="null label"),
        pytest.param(_cell("row_id", None), CellMissing, "row #5", id="null id"),
        pytest.param(sample_rows().assign(text=np.nan), CellMissing, "NaN", id="NaN for texts"),
        pytest.param(sample_rows().assign(text=7), CellInvalid, "type int", id="numbers for texts"),
        pytest.param(_cell("label", "wish"), CellInvalid, "'wish' is not one of bug", id="unknown label"),
        pytest.param(_cell("split", "dev"), CellInvalid, "'dev' is not one of train", id="unknown split"),
        pytest.param(_cell("row_id", "row-4"), CellInvalid, "row-4, column row_id: occurs 2", id="a row twice"),
        pytest.param(sample_rows().drop(columns="split"), DatasetUnreadable, "lacks the column split", id="column"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, rows: pd.DataFrame, refusal: type[TrainerRefusal], says: str
) -> None:
    with pytest.raises(refusal) as refused:
        load(tmp_path, rows)

    assert says in refused.value.message
    assert refused.value.exit_code is ExitCode.DATA_REFUSED


def test_a_refusal_never_repeats_a_text(tmp_path: Path) -> None:
    rows = sample_rows()
    rows.loc[3, "text"] = SECRET
    rows.loc[3, "label"] = "wish"

    with pytest.raises(CellInvalid) as refused:
        load(tmp_path, rows)

    assert SECRET not in f"{refused.value.message} {refused.value.details}"


@pytest.mark.parametrize("content", [None, b"not parquet", b""])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "dataset.parquet"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DatasetUnreadable):
        load_rows(path, labels=LABELS, cache_dir=tmp_path / "cache")


def test_a_parquet_file_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.parquet"
    sample_rows().to_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[40:900] = bytes(860)
    path.write_bytes(content)

    with pytest.raises(DatasetUnreadable, match="damaged"):
        load_rows(path, labels=LABELS, cache_dir=tmp_path / "cache")


def test_a_ten_megabyte_text_is_cut_and_counted(tmp_path: Path) -> None:
    rows = sample_rows()
    rows.loc[0, "text"] = " " * 1000 + "page " * 2_000_000

    loaded = load(tmp_path, rows)

    assert loaded.cut_text_count == 1
    assert loaded.texts[0] == ("page " * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]


def test_a_text_at_the_bound_is_left_alone() -> None:
    text = " " * MAX_TEXT_CHARS

    assert bounded(text) == text


def _made(tmp_path: Path, name: str) -> str:
    (tmp_path / name).mkdir()
    return name
