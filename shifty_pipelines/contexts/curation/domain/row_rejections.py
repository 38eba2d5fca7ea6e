"""Why a row of an imported file is rejected, and what its owner can do about it."""

from dataclasses import dataclass
from enum import StrEnum

SHOWN_CHARS = 60


class Reason(StrEnum):
    """One kind of problem of one row; the names stand in the report."""

    MALFORMED_ROW = "malformed_row"
    NOT_UTF8 = "not_utf8"
    CONTROL_CHARACTER = "control_character"
    MISSING_VALUE = "missing_value"
    WRONG_TYPE = "wrong_type"
    TOO_LONG = "too_long"
    UNKNOWN_LABEL = "unknown_label"
    UNKNOWN_ITEM = "unknown_item"
    ITEM_REJECTED = "item_rejected"
    ITEM_DIFFERS = "item_differs"
    ITEM_OF_OTHER_TYPE = "item_of_other_type"
    ITEM_ERASED = "item_erased"
    DUPLICATE_ITEM = "duplicate_item"
    DUPLICATE_LABEL = "duplicate_label"
    CONTRADICTING_LABEL = "contradicting_label"


#: What is only pointed out: the row was imported all the same.
KEPT = frozenset({Reason.CONTRADICTING_LABEL})

REMEDIES: dict[Reason, str] = {
    Reason.MALFORMED_ROW: "write the row again: as many cells as the header, quotes closed and doubled inside,"
    " or one JSON object per line",
    Reason.NOT_UTF8: "save the file as UTF-8, e.g. with iconv -f latin1 -t utf-8",
    Reason.CONTROL_CHARACTER: "remove the control character",
    Reason.MISSING_VALUE: "fill the cell in, or leave the row out",
    Reason.WRONG_TYPE: "write it as text, not as a list, an object or a date; a text must not be a number",
    Reason.TOO_LONG: "shorten it to what is needed to answer",
    Reason.UNKNOWN_LABEL: "use one of the type's labels, or rename this one while importing",
    Reason.UNKNOWN_ITEM: "import the item's text first, from the same source",
    Reason.ITEM_REJECTED: "mend the item's own row, which was rejected too",
    Reason.ITEM_DIFFERS: "give the changed text another item id; nothing is overwritten",
    Reason.ITEM_OF_OTHER_TYPE: "import it under another source, because the item belongs to another mission type",
    Reason.ITEM_ERASED: "leave the row out: the item's text was erased for good",
    Reason.DUPLICATE_ITEM: "leave the row out: an earlier row is the same item",
    Reason.DUPLICATE_LABEL: "leave the row out: an earlier row is the same label by the same labeler",
    Reason.CONTRADICTING_LABEL: "imported all the same: an earlier row has another label of this item by this labeler",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One problem of one row, as the report shows it; no text of an item is ever its value."""

    row: int
    reason: Reason
    column: str
    value: str
    remedy: str


class RowRefused(Exception):
    """A row cannot be imported; becomes a `Rejection` once its number is known."""

    def __init__(self, reason: Reason, column: str | None, value: object, remedy: str | None = None) -> None:
        super().__init__(reason.value)  # the value may be somebody's data and stays out of the message
        self.reason = reason
        self.column = column or ""
        self.value = value
        self.remedy = remedy or REMEDIES[reason]

    def at(self, row: int) -> Rejection:
        """The refusal as a line of the report."""
        return Rejection(row=row, reason=self.reason, column=self.column, value=shown(self.value), remedy=self.remedy)


def shown(value: object) -> str:
    """A value shortened and made printable: control characters and lone surrogates are escaped."""
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."
    return repr(short) if isinstance(value, str) else short
