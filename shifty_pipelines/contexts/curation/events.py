"""What happened in curation."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRecorded(Event):
    """Somebody labelled an item in a mission. Imports and adjudications write labels without this event."""

    type: ClassVar[str] = "curation.label_recorded"
    label_event_id: uuid.UUID
    item_id: uuid.UUID
    mission_id: uuid.UUID
    assignment_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTombstoned(Event):
    """A label was taken back; it counts no more."""

    type: ClassVar[str] = "curation.label_tombstoned"
    tombstone_id: uuid.UUID
    label_event_id: uuid.UUID
    item_id: uuid.UUID
    mission_id: uuid.UUID | None
    assignment_id: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPublished(Event):
    """A dataset has a new current version."""

    type: ClassVar[str] = "curation.dataset_published"
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    mission_type: str
    row_count: int
