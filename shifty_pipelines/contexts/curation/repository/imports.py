"""Items and label events of imports: many at once, each once."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TableValuedAlias, Uuid, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, insert

from shifty_pipelines.contexts.curation.models import Item, LabelEvent
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item that exists, without its text."""

    id: uuid.UUID
    mission_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedLabel:
    """A label event of an import, about to be written."""

    id: uuid.UUID
    item_id: uuid.UUID
    labeler_id: uuid.UUID
    label: str


class ImportRows(ScopedRepository):
    """What an import reads and writes of one tenant."""

    def items_of_source(self, source: str, external_ids: Collection[str]) -> Mapping[str, StoredItem]:
        """The items among these external ids of a source that exist, by external id."""
        statement = select(Item.external_id, Item.id, Item.mission_type).where(
            Item.tenant_id == self.tenant_id, Item.source == source, Item.external_id.in_(external_ids)
        )
        return {
            external_id: StoredItem(item_id, mission_type)
            for external_id, item_id, mission_type in self.session.execute(statement)
            if external_id is not None
        }

    def add_items_once(self, items: Sequence[Mapping[str, Any]]) -> set[str]:
        """Insert the items whose external ids are not there yet, and return those ids.

        Waits for whoever inserts the same ones at this moment.
        """
        keys = [Item.tenant_id, Item.source, Item.external_id]
        statement = insert(Item).on_conflict_do_nothing(index_elements=keys).returning(Item.external_id)
        return set(self.session.scalars(statement, items))

    def label_events_among(self, event_ids: Collection[uuid.UUID]) -> int:
        """How many of these label events exist."""
        statement = select(func.count()).where(LabelEvent.tenant_id == self.tenant_id, LabelEvent.id.in_(event_ids))
        return self.session.scalar(statement) or 0

    def add_imported_labels_once(self, labels: Sequence[ImportedLabel], *, at: datetime) -> int:
        """Insert label events whose ids are not there yet; how many were new.

        One statement over arrays: 74,160 labels take a third of the time that a parameter per value takes.
        """
        rows = _unnested(labels)
        fixed = {"tenant_id": self.tenant_id, "kind": "label", "source": "import", "created_at": at}
        values = select(*rows.c, *map(literal, fixed.values()))
        statement = (
            insert(LabelEvent)
            .from_select([*rows.c.keys(), *fixed], values)
            .on_conflict_do_nothing(index_elements=[LabelEvent.tenant_id, LabelEvent.id])
            .returning(LabelEvent.id)
        )
        return len(self.session.scalars(statement).all())


def _unnested(labels: Sequence[ImportedLabel]) -> TableValuedAlias:
    """The labels as rows of a statement: one array parameter for each column."""
    columns = {
        "id": literal([label.id for label in labels], ARRAY(Uuid)),
        "item_id": literal([label.item_id for label in labels], ARRAY(Uuid)),
        "labeler_id": literal([label.labeler_id for label in labels], ARRAY(Uuid)),
        "label": literal([label.label for label in labels], ARRAY(TEXT)),
    }
    return func.unnest(*columns.values()).table_valued(*columns).render_derived()
