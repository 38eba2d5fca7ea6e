"""Label sets, items, label events and skills."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from shifty_pipelines.contexts.curation.errors import ItemExists
from shifty_pipelines.contexts.curation.models import GoldItem, Item, LabelerSkill, LabelEvent, LabelSet
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A label that counts, with what is known about who gave it."""

    label: str
    source: str
    created_at: datetime
    accuracy: float | None


class LabelRows(ScopedRepository):
    """Label sets, items, label events and skills of one tenant."""

    def label_set(self, mission_type: str, *, lock: Literal["share", "change"] | None = None) -> LabelSet | None:
        """The labels of a mission type; `share` keeps them as they are until the transaction ends."""
        statement = self.scoped(LabelSet).where(LabelSet.mission_type == mission_type)
        if lock is not None:
            statement = statement.with_for_update(read=lock == "share")
        return self.session.scalar(statement, execution_options={"populate_existing": True})

    def label_sets(self) -> Sequence[LabelSet]:
        """Every mission type's labels, in order of name."""
        return self.session.scalars(self.scoped(LabelSet).order_by(LabelSet.mission_type)).all()

    def set_labels(self, new_id: uuid.UUID, mission_type: str, labels: Sequence[str], *, at: datetime) -> LabelSet:
        """Insert or replace the labels of a mission type; of two first callers at once, the second replaces."""
        statement = insert(LabelSet).values(
            tenant_id=self.tenant_id, id=new_id, mission_type=mission_type, labels=list(labels), updated_at=at
        )
        return self.session.scalars(
            statement.on_conflict_do_update(
                index_elements=[LabelSet.tenant_id, LabelSet.mission_type],
                set_={"labels": statement.excluded.labels, "updated_at": statement.excluded.updated_at},
            ).returning(LabelSet),
            execution_options={"populate_existing": True},
        ).one()

    def add_item(self, item: Item) -> None:
        """Insert an item.

        Raises:
            ItemExists: its source has sent one by this external id before.
        """
        try:
            self.add(item)
        except IntegrityError as error:
            if item.external_id is None:
                raise
            raise ItemExists(item.source, item.external_id) from error

    def add_items(self, items: Sequence[Item]) -> None:
        """Insert items that have no external ids."""
        self.session.add_all(items)
        self.session.flush()

    def add_gold(self, gold: Sequence[GoldItem]) -> None:
        """Insert truths of items."""
        self.session.add_all(gold)
        self.session.flush()

    def item(self, item_id: uuid.UUID) -> Item | None:
        """An item by id."""
        return self.find(Item, item_id)

    def items(self, item_ids: Collection[uuid.UUID]) -> Sequence[Item]:
        """The items among these ids that exist."""
        return self.session.scalars(self.scoped(Item).where(Item.id.in_(item_ids))).all()

    def label_of_assignment(self, assignment_id: uuid.UUID) -> LabelEvent | None:
        """The label an assignment gave, tombstoned or not."""
        return self.session.scalar(
            self.scoped(LabelEvent).where(LabelEvent.assignment_id == assignment_id, LabelEvent.kind == "label")
        )

    def tombstone_of(self, label_event_id: uuid.UUID) -> LabelEvent | None:
        """The tombstone of a label, if it has one."""
        return self.session.scalar(self.scoped(LabelEvent).where(LabelEvent.tombstones == label_event_id))

    def answers(self, item: Item) -> list[StoredAnswer]:
        """What counts about an item: each labeler's latest label that was not taken back, in order of labeler."""
        tombstone = aliased(LabelEvent)
        is_dead = select(tombstone.id).where(
            tombstone.tenant_id == LabelEvent.tenant_id, tombstone.tombstones == LabelEvent.id
        )
        statement = (
            select(LabelEvent.label, LabelEvent.source, LabelEvent.created_at, LabelerSkill.accuracy)
            .outerjoin(
                LabelerSkill,
                (LabelerSkill.tenant_id == LabelEvent.tenant_id)
                & (LabelerSkill.labeler_id == LabelEvent.labeler_id)
                & (LabelerSkill.mission_type == item.mission_type),
            )
            .where(LabelEvent.tenant_id == self.tenant_id, LabelEvent.item_id == item.id, LabelEvent.kind == "label")
            .where(~is_dead.exists())
            .ext(distinct_on(LabelEvent.labeler_id))
            .order_by(LabelEvent.labeler_id, LabelEvent.created_at.desc(), LabelEvent.id)
        )
        return [
            StoredAnswer(label=label, source=source, created_at=created_at, accuracy=accuracy)
            for label, source, created_at, accuracy in self.session.execute(statement)
            if label is not None
        ]
