"""Text fit for training: an issue report without its template, an error without foreign frames.

What belongs here: removing what carries no meaning for a label. What does not: removing what must not be seen (pii.py).
Every rule is a line scan or a pattern without nested repetition, so the cost is linear in the text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: An unclosed comment runs to the end, as browsers and CommonMark have it; that also keeps the scan linear.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_IMAGE = re.compile(r"!\[[^\[\]]*\]\([^()\s]*(?:\s[^()]*)?\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*(?:\s[^()]*)?\)")
_URL = re.compile(r"<?\b(?:https?|ftp)://[^\s<>]+>?", re.IGNORECASE)

_FENCE = re.compile(r"\s*(?:>\s?)?(`{3,}|~{3,})(.*)")
_BOLD_LINE = re.compile(r"\*\*[^*]+\*\*:?")
_CHECKBOX = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+\[[ xX]\](?:\s.*)?")
_DELIMITER_ROW = re.compile(r"[\s|:-]*")
_NO_RESPONSE = "_no response_"

#: A heading holds something when what follows ranks deeper than it does.
NOTHING_RANK, LAST_HASH_RANK, BOLD_RANK, TEXT_RANK = 0, 6, 7, 8


def clean_issue(title: str, body: str) -> str:
    r"""Title + ". " + body without comments, tags, code fences, images, URLs, tables, checklists and empty headings.

    What a reporter typed into a form's field stays, its heading with it; `_No response_` goes. Link texts stay, their
    addresses go. Whitespace is single.

    Example:
        >>> clean_issue("Crash on start", "### Version\n\n1.4\n\n### Logs\n\n_No response_\n")
        'Crash on start. Version 1.4'
    """
    lines = _outside_fences(_COMMENT.sub(" ", body.replace("\r\n", "\n")).split("\n"))
    kept = _without_tables([line for line in lines if not _is_template(line)])
    cleaned = [inline for line in kept if (inline := _clean_inline(line)).strip()]
    text = " ".join(" ".join(_without_empty_headings(cleaned)).split())
    heading = " ".join(_clean_inline(title).split())
    return ". ".join(part for part in (heading, text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One call of a stack trace; `in_app` is false for frameworks, libraries and the runtime; `source` is its line."""

    function: str
    module: str
    in_app: bool
    source: str = ""


def clean_error(error_type: str, message: str, frames: Sequence[Frame]) -> str:
    """Type, message and in-app frames, innermost as given: what distinguishes one error from another.

    Example:
        >>> clean_error("TimeoutError", "no answer", [Frame(function="pay", module="shop.cart", in_app=True)])
        'TimeoutError: no answer at shop.cart.pay'
    """
    places = (_place(frame) for frame in frames if frame.in_app)
    head = ": ".join(part for part in (error_type, message) if part)
    return " ".join(" ".join([head, *places]).split())


def _place(frame: Frame) -> str:
    return f"at {frame.module}.{frame.function}" + (f": {frame.source}" if frame.source else "")


def _outside_fences(lines: Iterable[str]) -> Iterator[str]:
    """Lines outside ``` and ~~~ blocks; an unclosed block runs to the end (CommonMark 0.31, 4.5)."""
    opening = ""
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if opening:
            if fence and fence[1].startswith(opening) and not fence[2].strip():
                opening = ""
        elif fence and not (fence[1].startswith("`") and "`" in fence[2]):
            opening = fence[1]
        else:
            yield line


def _is_template(line: str) -> bool:
    return line.strip().casefold() == _NO_RESPONSE or _CHECKBOX.fullmatch(line) is not None


def _without_tables(lines: Sequence[str]) -> Iterator[str]:
    """Lines outside Markdown tables: a row with a pipe, a delimiter row below it, and all rows with pipes after it."""
    in_table = False
    for line, following in pairwise([*lines, ""]):
        in_table = "|" in line and (in_table or _is_delimiter_row(following))
        if not in_table:
            yield line


def _is_delimiter_row(line: str) -> bool:
    return "|" in line and "-" in line and _DELIMITER_ROW.fullmatch(line) is not None


def _clean_inline(line: str) -> str:
    # Images first: a linked image is then a link with an empty text. Tags last: <https://...> is a URL.
    for pattern, replacement in ((_IMAGE, ""), (_LINK, r"\1"), (_URL, ""), (_TAG, "")):
        line = pattern.sub(replacement, line)
    return line


def _without_empty_headings(lines: Sequence[str]) -> list[str]:
    """Lines with heading marks taken off, without headings that hold nothing before the next of their own rank."""
    kept: list[str] = []
    rank_below = NOTHING_RANK
    for line in reversed(lines):
        rank, text = _ranked(line)
        if rank == TEXT_RANK or rank_below > rank:
            kept.append(text)
            rank_below = rank
    return kept[::-1]


def _ranked(line: str) -> tuple[int, str]:
    """1 to 6 for `#` headings, 7 for a line in bold, which templates use as a heading, `TEXT_RANK` for text."""
    stripped = line.strip()
    text = stripped.lstrip("#")
    marks = len(stripped) - len(text)
    if 1 <= marks <= LAST_HASH_RANK and (not text or text[0].isspace()):
        return marks, text.strip().rstrip("#")
    if _BOLD_LINE.fullmatch(stripped):
        return BOLD_RANK, stripped.strip("*:")
    return TEXT_RANK, line
