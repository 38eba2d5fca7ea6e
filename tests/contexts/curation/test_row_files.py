"""Files of rows: three formats, one meaning; and whatever is broken in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from shifty_pipelines.contexts.curation.adapters.row_files import LocalRowFiles
from shifty_pipelines.contexts.curation.adapters.text_lines import MAX_LINE_BYTES
from shifty_pipelines.contexts.curation.domain.import_rows import FileRow
from shifty_pipelines.contexts.curation.errors import ImportFileUnusable

ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": 'say "hi", then\nleave', "label": "good"},
    {"id": "2", "text": "ünïcödé 🎉", "label": "bad"},
]


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def rows_of(path: Path) -> list[FileRow]:
    return list(LocalRowFiles().open(path).rows())


def problems(path: Path) -> list[tuple[int, str, object]]:
    return [(row.number, row.refused.reason.value, row.refused.value) for row in rows_of(path) if row.refused]


def csv_file(folder: Path) -> Path:
    return written(folder, "a.csv", 'id,text,label\n1,"say ""hi"", then\nleave",good\n\n2,ünïcödé 🎉,bad\n'.encode())


def jsonl_file(folder: Path) -> Path:
    return written(folder, "a.jsonl", "\n".join([json.dumps(ROWS[0]), "", json.dumps(ROWS[1])]).encode())


def parquet_file(folder: Path) -> Path:
    path = folder / "a.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("write", [csv_file, jsonl_file, parquet_file])
def test_every_format_gives_the_same_rows_twice(tmp_path: Path, write: Any) -> None:
    file = LocalRowFiles().open(write(tmp_path))
    assert file.columns == ("id", "text", "label")
    assert [row.cells for row in file.rows()] == ROWS
    assert [row.cells for row in file.rows()] == ROWS
    assert file.fraction_read == 1.0


@pytest.mark.parametrize(
    ("write", "numbers"), [(csv_file, [2, 5]), (jsonl_file, [1, 3]), (parquet_file, [1, 2])], ids=["csv", "jsonl", "pq"]
)
def test_a_row_is_numbered_where_an_editor_shows_it(tmp_path: Path, write: Any, numbers: list[int]) -> None:
    assert [row.number for row in rows_of(write(tmp_path))] == numbers


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"a,b\n1,2\n3\n4,5\n", [(3, "malformed_row", "1 cells, the header has 2")], id="too few"),
        pytest.param(b"a,b\n1,2,3\n4,5\n", [(2, "malformed_row", "3 cells, the header has 2")], id="too many"),
        pytest.param(b'a,b\n"x"y,2\n4,5\n', [(2, "malformed_row", "',' expected after '\"'")], id="after a quote"),
        pytest.param(
            b'a,b\n1,2\n"x,2\n4,5\n',
            [(3, "malformed_row", "lines 3 to 4: unexpected end of data")],
            id="quote not closed",
        ),
        pytest.param(b"a,b\n1,2\n4,5", [], id="no last line end"),
        pytest.param(b"\xef\xbb\xbfa,b\r\n1,2\r\n", [], id="byte order mark and CRLF"),
    ],
)
def test_a_broken_csv_row_is_told_and_the_others_are_read(
    tmp_path: Path, content: bytes, expected: list[tuple[int, str, object]]
) -> None:
    path = written(tmp_path, "a.csv", content)
    assert problems(path) == expected
    assert all(set(row.cells) == {"a", "b"} for row in rows_of(path) if row.refused is None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": 1', "Expecting ',' delimiter at character 8"),
        (b"[1]", "a JSON list, not an object"),
        (b'"a"', "a JSON str, not an object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
    ids=["cut off", "a list", "a string", "nested too deeply", "a number of 5,000 digits"],
)
def test_a_broken_json_line_is_told_and_the_others_are_read(tmp_path: Path, line: bytes, problem: str) -> None:
    path = written(tmp_path, "a.jsonl", b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    assert problems(path) == [(2, "malformed_row", problem)]
    assert [row.cells for row in rows_of(path) if row.refused is None] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_without_end_is_refused_without_being_kept(tmp_path: Path, name: str) -> None:
    first, last = (b"a\n1\n", b"2\n") if name == "a.csv" else (b'{"a": "1"}\n', b'{"a": "2"}\n')
    path = written(tmp_path, name, first + b"x" * (2 * MAX_LINE_BYTES + 5) + b"\n" + last)
    [(number, reason, value)] = problems(path)
    assert (number, reason, value) == (first.count(b"\n") + 1, "too_long", "more than 16,777,216 bytes")
    assert [row.cells["a"] for row in rows_of(path) if row.refused is None] == ["1", "2"]


def test_bytes_that_are_not_utf8_arrive_as_lone_surrogates_in_every_format(tmp_path: Path) -> None:
    latin = "café".encode("latin1")
    pa.parquet.write_table(
        pa.table({"a": pa.Array.from_buffers(pa.string(), 1, pa.array([latin], pa.binary()).buffers())}),
        tmp_path / "a.parquet",
    )
    written(tmp_path, "a.csv", b"a\n" + latin + b"\n")
    written(tmp_path, "a.jsonl", b'{"a": "' + latin + b'"}\n')
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert [row.cells for row in rows_of(tmp_path / name)] == [{"a": "caf\udce9"}]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n", "is empty"),
        ("a.csv", b"a,b,a\n1,2,3\n", "names the column 'a' twice"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "is not UTF-8"),
        ("a.csv", b'"a\n', "has a header that is no CSV"),
        ("a.jsonl", b"\n\n", "is empty"),
        ("a.jsonl", b"a,b\n1,2\n", "does not begin with JSON objects"),
        ("a.parquet", b"PAR1 and no more", "is no readable Parquet file"),
        ("a.xlsx", b"PK", "ends in '.xlsx'"),
    ],
)
def test_a_file_that_cannot_be_used_says_so(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    with pytest.raises(ImportFileUnusable, match=problem):
        LocalRowFiles().open(written(tmp_path, name, content))


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(ImportFileUnusable, match="does not exist"):
        LocalRowFiles().open(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(ImportFileUnusable, match="is no file"):
        LocalRowFiles().open(tmp_path / "b.csv")
