"""Templates, batches, and calling missions off, many at a time."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from shifty_pipelines.contexts.arcade.domain.missions import LIVE, MissionState, SlotState
from shifty_pipelines.contexts.arcade.errors import TemplateExists
from shifty_pipelines.contexts.arcade.models import Batch, LedgerEntry, Mission, Slot, Template
from shifty_pipelines.kernel.repository import ScopedRepository

Position = tuple[datetime, uuid.UUID]


class BatchRows(ScopedRepository):
    """Templates and batches of one tenant, and the missions in them."""

    def add_template(self, template: Template) -> None:
        """Insert a template.

        Raises:
            TemplateExists: the tenant has one of that name.
        """
        try:
            self.add(template)
        except IntegrityError as error:
            raise TemplateExists(template.name) from error

    def template(self, template_id: uuid.UUID) -> Template | None:
        """A template by id."""
        return self.find(Template, template_id)

    def template_named(self, name: str) -> Template | None:
        """A template by name."""
        return self.session.scalar(self.scoped(Template).where(Template.name == name))

    def templates(self, *, after: Position | None, limit: int) -> Sequence[Template]:
        """Templates, newest first, from the one after `after` on."""
        statement = self.scoped(Template).order_by(Template.created_at.desc(), Template.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(func.row(Template.created_at, Template.id) < func.row(*after))
        return self.session.scalars(statement).all()

    def add_missions(self, batch: Batch, missions: Sequence[Mission]) -> None:
        """Insert a batch with its missions."""
        self.add(batch)
        self.session.add_all(missions)
        self.session.flush()

    def batch(self, batch_id: uuid.UUID) -> Batch | None:
        """A batch by id."""
        return self.find(Batch, batch_id)

    def lock_batch(self, batch_id: uuid.UUID) -> Batch | None:
        """A batch by id, locked until the transaction ends."""
        return self.find_locked(Batch, batch_id)

    def batches(self, *, after: Position | None, limit: int) -> Sequence[Batch]:
        """Batches, newest first, from the one after `after` on."""
        statement = self.scoped(Batch).order_by(Batch.created_at.desc(), Batch.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(func.row(Batch.created_at, Batch.id) < func.row(*after))
        return self.session.scalars(statement).all()

    def count_states(self, batch_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
        """How many missions of each batch are in which state."""
        statement = (
            select(Mission.batch_id, Mission.state, func.count())
            .where(Mission.tenant_id == self.tenant_id, Mission.batch_id.in_(batch_ids))
            .group_by(Mission.batch_id, Mission.state)
        )
        counts: dict[uuid.UUID, dict[str, int]] = {}
        for batch_id, state, count in self.session.execute(statement):
            if batch_id is not None:
                counts.setdefault(batch_id, {})[state] = count
        return counts

    def set_paused(self, batch_id: uuid.UUID, *, is_paused: bool, at: datetime) -> None:
        """Hold back a batch's open missions, or give them out again."""
        self.session.execute(
            update(Mission)
            .where(Mission.tenant_id == self.tenant_id, Mission.batch_id == batch_id)
            .where(Mission.state == MissionState.OPEN)
            .values(is_paused=is_paused, updated_at=at)
            .execution_options(synchronize_session=False)
        )

    def lock_unfinished(self, batch_id: uuid.UUID) -> Sequence[Mission]:
        """A batch's missions that wait for answers or a person, locked in order of id."""
        waiting = (MissionState.OPEN, MissionState.DISPUTED)
        statement = (
            self.scoped(Mission)
            .where(Mission.batch_id == batch_id, Mission.state.in_(waiting))
            .order_by(Mission.id)
            .with_for_update()
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def end_leases(self, mission_ids: Collection[uuid.UUID]) -> None:
        """End every lease on these missions; their slots stay used, for nobody is to take them."""
        self.session.execute(
            update(Slot)
            .where(Slot.tenant_id == self.tenant_id, Slot.mission_id.in_(mission_ids), Slot.state.in_(LIVE))
            .values(state=SlotState.EXPIRED)
            .execution_options(synchronize_session=False)
        )

    def open_promises(self, mission_ids: Collection[uuid.UUID]) -> Sequence[LedgerEntry]:
        """What is promised for answers to these missions and neither paid nor withdrawn."""
        later = aliased(LedgerEntry)
        statement = self._promises(mission_ids).where(
            ~select(later.id)
            .where(
                later.tenant_id == LedgerEntry.tenant_id,
                later.assignment_id == LedgerEntry.assignment_id,
                later.kind != "pending",
            )
            .exists()
        )
        return self.session.scalars(statement.order_by(LedgerEntry.id)).all()

    def _promises(self, mission_ids: Collection[uuid.UUID]) -> Select[LedgerEntry]:
        return self.scoped(LedgerEntry).where(LedgerEntry.mission_id.in_(mission_ids), LedgerEntry.kind == "pending")
