"""From the cells of one row of a file to an item and a label, or to a clear "no". Pure: neither file nor database."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shifty_pipelines.contexts.curation.domain.payloads import (
    MAX_PAYLOAD_BYTES,
    digest,
    same_text_form,
    size_bytes,
    stored_form,
)
from shifty_pipelines.contexts.curation.domain.row_rejections import REMEDIES, Reason, RowRefused
from shifty_pipelines.kernel.characters import UNPRINTABLE
from shifty_pipelines.kernel.errors import InvalidValue

#: A name takes part in an index, whose rows PostgreSQL limits to 2,704 bytes: 200 characters of 4 bytes fit four times.
MAX_NAME_CHARS = 200
#: How other programs write "nothing was here" into a text file.
NOT_A_NUMBER = frozenset({"NaN", "nan"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Cells = Mapping[str, object]


def check_name(field: str, name: str) -> None:
    """Refuse a name given beside the file by the rules for names in it.

    Raises:
        InvalidValue: blank, too long, or with control characters or lone surrogates.
    """
    if not name.strip() or len(name) > MAX_NAME_CHARS or UNPRINTABLE.search(name):
        raise InvalidValue(field, name, f"a name of at most {MAX_NAME_CHARS} printable characters in UTF-8")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row as it was read, or why it could not be; `number` is its first line, or its place in a Parquet file."""

    number: int
    cells: Cells = field(repr=False, default_factory=dict)
    refused: RowRefused | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """Where an item's id and text stand; without an id the text itself identifies it, without a text it must exist."""

    item: str | None = None
    text: str | None = None
    title: str | None = None
    body: str | None = None

    @property
    def has_text(self) -> bool:
        """Whether rows bring the item's text."""
        return self.text is not None or self.title is not None

    def names(self) -> list[str]:
        """The columns that must be there."""
        return [name for name in (self.item, self.text, self.title, self.body) if name is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumns:
    """Where a label stands and who gave it: a column of names, or one name for all rows."""

    label: str
    labeler_column: str | None = None
    labeler: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The columns that must be there."""
        return [name for name in (self.label, self.labeler_column) if name is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One good row: an item by id, by text or by both, and a label of it unless the file holds only items."""

    number: int
    item_column: str
    external_id: str | None = None
    payload: Mapping[str, str] | None = field(default=None, repr=False)
    same_text: str = field(default="", repr=False)
    content: bytes = b""
    labeler: str | None = None
    label: str | None = None


def read_row(row: FileRow, items: ItemColumns, labels: LabelColumns | None, allowed: Sequence[str]) -> ImportRow:
    """The row's item and label.

    Raises:
        RowRefused: the first thing wrong with it.
    """
    if row.refused is not None:
        raise row.refused
    external_id = _name(row.cells, items.item) if items.item else None
    payload = _payload(row.cells, items) if items.has_text else None
    same_text = same_text_form(payload) if payload is not None else ""
    return ImportRow(
        number=row.number,
        item_column=items.item or items.text or items.title or "",
        external_id=external_id,
        payload=payload,
        same_text=same_text,
        content=digest(same_text) if payload is not None else b"",
        labeler=_labeler(row.cells, labels) if labels else None,
        label=_label(row.cells, labels, allowed) if labels else None,
    )


def name_in(row: FileRow, column: str) -> str:
    """The name in a column: an id or a label, as text.

    Raises:
        RowRefused: the row could not be read, or the cell holds no name.
    """
    if row.refused is not None:
        raise row.refused
    return _name(row.cells, column)


def is_wanted(row: FileRow, where: Mapping[str, str]) -> bool:
    """Whether every filtered column has its value; a row that could not be read is always wanted: it is reported."""
    return row.refused is not None or all(plain(row.cells.get(column)) == value for column, value in where.items())


def plain(value: object) -> str:
    """A cell as a text file would write it: whole numbers without a point, nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _payload(cells: Cells, columns: ItemColumns) -> Mapping[str, str]:
    if columns.title is not None:
        body = columns.body
        payload = {"title": _text(cells, columns.title)}
        if body is not None:
            payload["body"] = "" if cells.get(body) in (None, "") else _text(cells, body, may_be_blank=True)
    else:
        payload = {"text": _text(cells, columns.text or "")}
    size = size_bytes(stored_form(payload))
    if size > MAX_PAYLOAD_BYTES:
        largest = max(
            (name for name in columns.names() if name != columns.item), key=lambda name: len(str(cells.get(name)))
        )
        remedy = f"{REMEDIES[Reason.TOO_LONG]}; an item may have {MAX_PAYLOAD_BYTES:,} bytes"
        raise RowRefused(Reason.TOO_LONG, largest, f"{size:,} bytes", remedy)
    return payload


def _text(cells: Cells, column: str, *, may_be_blank: bool = False) -> str:
    value = cells.get(column)
    _refuse_nothing(value, column, may_be_blank=may_be_blank)
    if not isinstance(value, str):
        raise RowRefused(Reason.WRONG_TYPE, column, type(value).__name__)
    _refuse_undecoded(value, column)
    if "\0" in value:
        raise RowRefused(Reason.CONTROL_CHARACTER, column, f"NUL at character {value.index(chr(0)) + 1}")
    return value


def _name(cells: Cells, column: str) -> str:
    value = cells.get(column)
    _refuse_nothing(value, column)
    if not isinstance(value, str | int | float):
        raise RowRefused(Reason.WRONG_TYPE, column, type(value).__name__)
    name = plain(value)
    _refuse_undecoded(name, column)
    if _CONTROL.search(name):
        raise RowRefused(Reason.CONTROL_CHARACTER, column, name)
    if len(name) > MAX_NAME_CHARS:
        remedy = f"{REMEDIES[Reason.TOO_LONG]}; at most {MAX_NAME_CHARS} characters"
        raise RowRefused(Reason.TOO_LONG, column, name, remedy)
    return name


def _labeler(cells: Cells, columns: LabelColumns) -> str | None:
    return _name(cells, columns.labeler_column) if columns.labeler_column else columns.labeler


def _label(cells: Cells, columns: LabelColumns, allowed: Sequence[str]) -> str:
    name = _name(cells, columns.label)
    label = columns.renamed.get(name, name)
    if label not in allowed:
        raise RowRefused(
            Reason.UNKNOWN_LABEL, columns.label, name, f"{REMEDIES[Reason.UNKNOWN_LABEL]}: {', '.join(allowed)}"
        )
    return label


def _refuse_nothing(value: object, column: str, *, may_be_blank: bool = False) -> None:
    is_nan = value in NOT_A_NUMBER if isinstance(value, str) else isinstance(value, float) and not math.isfinite(value)
    is_blank = value is None or (isinstance(value, str) and not value.strip())
    if is_nan or (is_blank and not may_be_blank):
        raise RowRefused(Reason.MISSING_VALUE, column, value)


def _refuse_undecoded(text: str, column: str) -> None:
    """Bytes that are not UTF-8 arrive as lone surrogates, as do halves of characters in JSON escapes."""
    found = _SURROGATE.search(text)
    if found:
        code = ord(found.group())
        what = f"byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"half a character, \\u{code:04x},"  # noqa: PLR2004  # PEP 383
        raise RowRefused(Reason.NOT_UTF8, column, f"{what} at character {found.start() + 1}")
