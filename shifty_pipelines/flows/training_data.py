"""What training needs of datasets, as a port: which version is current, and its rows as a file."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shifty_pipelines.services import Services

#: Versions with another status are not trained on.
USABLE = frozenset({"current", "superseded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One version of a dataset; `labels` in the order in which probabilities are written."""

    id: uuid.UUID
    dataset_id: uuid.UUID
    mission_type: str
    labels: tuple[str, ...]
    status: str


class DatasetSource(Protocol):
    """Where datasets come from."""

    def current(self, services: Services, dataset_id: uuid.UUID, /) -> DatasetVersion | None:
        """The dataset's current version, or None if it was never materialised.

        Raises:
            NotFound: no such dataset in this tenant.
        """
        ...

    def version(self, services: Services, version_id: uuid.UUID, /) -> DatasetVersion:
        """A version of a dataset.

        Raises:
            NotFound: no such version in this tenant.
        """
        ...

    def copy(self, services: Services, version_id: uuid.UUID, directory: Path, /) -> Path:
        """Decrypt the version's Parquet (row_id, text, label, split) into a private directory; the file's path."""
        ...
