"""What the registry needs of the outside world."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModelFiles:
    """A base model on this machine: its files, and the name it goes by."""

    path: Path
    name: str


class BaseModels(Protocol):
    """Base models that are there without a download."""

    def find(self, source_id: str) -> BaseModelFiles | None:
        """The files behind a source id, or None; never a path outside the places models lie in."""
        ...
