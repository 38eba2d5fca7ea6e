"""Labelled items by the dozen, straight through curation: what tests of the pipeline start from."""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from shifty_pipelines.contexts.curation.models import LabelEvent
from shifty_pipelines.contexts.curation.service import CurationService

TYPE = "classify_error"
LABELS = ("bad_input", "stale_state", "upstream_data")
#: Three who always agree are believed far beyond the 0.9 that counts as decided.
LABELERS = tuple(uuid.UUID(int=number) for number in (1, 2, 3))

#: Words that stand in no other text of the platform.
WORDS = re.findall(
    r"\w+",
    """amber basket cargo delta ember fabric garden harbor island jacket kernel ladder magnet needle orchid paddle
    quartz ribbon saddle tunnel umbrella velvet walnut yonder zipper anchor beacon candle dragon engine falcon
    glacier hammer insect jungle kettle lantern meadow nectar oyster""",
)


def text_of(number: int) -> str:
    """A text unlike every other number's: twelve words drawn by it."""
    return " ".join(np.random.default_rng(number).choice(WORDS, size=12))


def add_item(curation: CurationService, payload: Mapping[str, Any], *, mission_type: str = TYPE) -> uuid.UUID:
    """An item as an import would add it."""
    return curation.add_item(mission_type, payload, source="import")


def label(
    curation: CurationService,
    item_id: uuid.UUID,
    answer: str,
    *,
    labelers: Collection[uuid.UUID] = LABELERS,
    source: str = "import",
    at: datetime | None = None,
) -> list[uuid.UUID]:
    """The ids of one label event per labeler, written as an import writes them: without an event in the outbox."""
    events = [
        LabelEvent(
            tenant_id=curation.work.tenant_id,
            id=uuid.uuid4(),
            item_id=item_id,
            labeler_id=labeler,
            kind="label",
            label=answer,
            source=source,
            created_at=at or curation.work.clock.now(),
        )
        for labeler in labelers
    ]
    curation.work.scope.session.add_all(events)
    curation.work.scope.session.flush()
    return [event.id for event in events]


def take_back(curation: CurationService, item_id: uuid.UUID, event_ids: Sequence[uuid.UUID]) -> None:
    """Tombstones of these label events."""
    curation.work.scope.session.add_all(
        LabelEvent(
            tenant_id=curation.work.tenant_id,
            id=uuid.uuid4(),
            item_id=item_id,
            labeler_id=LABELERS[0],
            kind="tombstone",
            source="import",
            tombstones=event_id,
            created_at=curation.work.clock.now(),
        )
        for event_id in event_ids
    )
    curation.work.scope.session.flush()


def fill(
    curation: CurationService, count: int, *, start: int = 0, mission_type: str = TYPE, labels: Sequence[str] = LABELS
) -> list[uuid.UUID]:
    """`count` items that say different things, labelled in turn by everybody alike."""
    curation.set_labels(mission_type, LABELS)
    found = []
    for number in range(start, start + count):
        item_id = add_item(curation, {"text": text_of(number)}, mission_type=mission_type)
        label(curation, item_id, labels[number % len(labels)])
        found.append(item_id)
    return found
