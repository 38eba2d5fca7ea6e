"""What a dataset is: a recipe over one mission type; its rows; and the name that their content gives a version.

What belongs here: which candidates a recipe takes, the waterfall of exclusions, the content's digest. What does not:
texts in storage (there are none) and files.
"""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shifty_pipelines.contexts.curation.domain.decisions import MIN_POSTERIOR
from shifty_pipelines.contexts.curation.domain.splits import Split
from shifty_pipelines.contexts.curation.errors import InvalidDataset

#: Every mission type has a dataset of this name.
DEFAULT_NAME = "default"
#: New labels after which a dataset asks for a training of its own accord.
DEFAULT_TRAINING_THRESHOLD = 100
MAX_NAME_CHARS, MAX_DESCRIPTION_CHARS = 255, 10_000
#: Below one half the second best label could be as probable.
LEAST_POSTERIOR = 0.5

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")

SERVING = frozenset(split.value for split in Split)

#: Fewer rows than this make no split that says anything.
LEAST_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which rows a dataset takes.

    Attributes:
        min_posterior: rows below stay out.
        train_after_new_labels: label events after which a new version asks for a training; None: never by itself.

    Raises:
        InvalidDataset: a value out of its range, with the range.
    """

    mission_type: str
    name: str = DEFAULT_NAME
    description: str = ""
    min_posterior: float = MIN_POSTERIOR
    train_after_new_labels: int | None = None

    def __post_init__(self) -> None:
        if (
            not 1 <= len(self.name) <= MAX_NAME_CHARS
            or self.name != self.name.strip()
            or _UNPRINTABLE.search(self.name)
        ):
            raise InvalidDataset("name", self.name, f"1 to {MAX_NAME_CHARS} printable characters without outer spaces")
        if len(self.description) > MAX_DESCRIPTION_CHARS or _NOT_STORABLE.search(self.description):
            raise InvalidDataset("description", "…", f"at most {MAX_DESCRIPTION_CHARS} characters without NUL")
        if not LEAST_POSTERIOR <= self.min_posterior <= 1:
            raise InvalidDataset("minPosterior", self.min_posterior, f"a number from {LEAST_POSTERIOR} to 1")
        if self.train_after_new_labels is not None and self.train_after_new_labels < 1:
            raise InvalidDataset("trainAfterNewLabels", self.train_after_new_labels, "1 or more, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """An item that may become a row: decided, with a kept text, standing for its equals, and placed in a split."""

    item_id: uuid.UUID
    label: str
    posterior: float
    label_count: int
    group_id: uuid.UUID
    split: str
    label_event_ids: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """How many items of a mission type were left after each step."""

    items: int
    labelled: int
    decided: int
    kept: int
    unique: int

    def steps(self, rows: int) -> list[dict[str, Any]]:
        """The waterfall, with what each step took away and why."""
        names = (
            ("items", self.items, "no label"),
            ("labelled", self.labelled, "posterior below the recipe's"),
            ("decided", self.decided, "text blank, too long or erased"),
            ("kept", self.kept, "equal to another row, or contradicting an equal one"),
            ("unique", self.unique, "left its split by a bridge"),
            ("rows", rows, ""),
        )
        return [
            {"step": name, "count": count, "excludedNext": count - following, "reason": reason}
            for (name, count, reason), following in zip(names, [*(n[1] for n in names[1:]), rows], strict=True)
        ]


def select_rows(candidates: Iterable[CandidateRow], *, min_posterior: float) -> list[CandidateRow]:
    """The candidates a recipe takes: probable enough, and serving in a split; in the order given."""
    return [row for row in candidates if row.posterior >= min_posterior and row.split in SERVING]


def unfit(rows: Sequence[CandidateRow]) -> str | None:
    """Why rows make no dataset that could be trained on and measured; None where they do.

    The expectations say the same of a mission type as a whole; a recipe may take less of it.
    """
    if len(rows) < LEAST_ROWS:
        return f"{len(rows)} rows, fewer than {LEAST_ROWS}"
    empty = [split.value for split in Split if not any(row.split == split for row in rows)]
    if empty:
        return f"no rows in {', '.join(empty)}"
    if len({row.label for row in rows if row.split == Split.TRAIN}) < 2:  # noqa: PLR2004  # with one, nothing to learn
        return "training rows of one label only"
    return None


class ContentDigest:
    """64 hex digits over a tenant and its rows, fed in order of item id, so that a text is held only once.

    Every field is preceded by its length: no two datasets give the same bytes.
    """

    def __init__(self, tenant_id: uuid.UUID) -> None:
        self._digest = hashlib.sha256(tenant_id.bytes)
        self._last = b""

    def add(self, row: CandidateRow, text: str) -> None:
        """Count a row in.

        Raises:
            ValueError: rows come out of order, a mistake of the caller's.
        """
        if row.item_id.bytes <= self._last:
            raise ValueError(f"row {row.item_id} comes out of order")
        self._last = row.item_id.bytes
        for part in (row.item_id.bytes, row.label.encode(), row.split.encode(), text.encode()):
            self._digest.update(len(part).to_bytes(8, "big"))
            self._digest.update(part)

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._digest.hexdigest()


def label_counts(rows: Iterable[CandidateRow]) -> dict[str, dict[str, int]]:
    """Rows per split and label, both in order of name."""
    counts = Counter((row.split, row.label) for row in rows)
    table: dict[str, dict[str, int]] = {}
    for (split, label), count in sorted(counts.items()):
        table.setdefault(split, {})[label] = count
    return table
