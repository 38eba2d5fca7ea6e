"""Leases that end, drafts that outlive them, skips, and how long answers of a type take."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shifty_pipelines.contexts.arcade.domain.missions import LIVE, SlotState
from shifty_pipelines.contexts.arcade.models import Draft, Mission, Slot, TypeTime
from shifty_pipelines.kernel.repository import ScopedRepository


class LeaseRows(ScopedRepository):
    """What happens to assignments between claim and answer."""

    def release_ended_leases(self, *, now: datetime, limit: int, mission_id: uuid.UUID | None = None) -> int:
        """Give slots whose lease has ended back to their missions; missions locked by others wait for next time.

        Returns how many slots came back.
        """
        has_ended = Slot.state.in_(LIVE) & (Slot.lease_until <= now)
        ended = select(Slot.mission_id).where(Slot.tenant_id == self.tenant_id, has_ended).limit(limit)
        due = self.session.scalars(ended.where(Slot.mission_id == mission_id) if mission_id else ended).all()
        if not due:
            return 0
        savepoint = self.session.begin_nested()
        locking = select(Mission.id).where(Mission.tenant_id == self.tenant_id, Mission.id.in_(due))
        locked = self.session.scalars(locking.with_for_update(skip_locked=True)).all()
        released = self.session.scalars(
            update(Slot)
            .where(Slot.tenant_id == self.tenant_id, Slot.mission_id.in_(locked), has_ended)
            .values(state=SlotState.EXPIRED)
            .returning(Slot.mission_id)
            .execution_options(synchronize_session=False)
        ).all()
        if not released:  # somebody else was faster: let go of the rows, see `_kept`
            savepoint.rollback()
            return 0
        for freed_id in set(released):
            self.session.execute(
                update(Mission)
                .where(Mission.tenant_id == self.tenant_id, Mission.id == freed_id)
                .values(open_slots=Mission.open_slots + released.count(freed_id), updated_at=now)
                .execution_options(synchronize_session=False)
            )
        savepoint.commit()
        self.session.expire_all()
        return len(released)

    # ---------------------------------------------------------------------------------------------------------- drafts

    def save_draft(self, draft: Draft) -> None:
        """Insert or replace a labeler's draft for a mission."""
        columns = ("tenant_id", "mission_id", "labeler_id", "key_slot", "sealed", "saved_at")
        statement = insert(Draft).values({column: getattr(draft, column) for column in columns})
        new = statement.excluded
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[Draft.tenant_id, Draft.mission_id, Draft.labeler_id],
                set_={"key_slot": new.key_slot, "sealed": new.sealed, "saved_at": new.saved_at},
            )
        )

    def draft(self, mission_id: uuid.UUID, labeler_id: uuid.UUID) -> Draft | None:
        """A labeler's draft for a mission."""
        return self.session.scalar(
            select(Draft).where(
                Draft.tenant_id == self.tenant_id, Draft.mission_id == mission_id, Draft.labeler_id == labeler_id
            ),
            execution_options={"populate_existing": True},
        )

    def drop_draft(self, mission_id: uuid.UUID, labeler_id: uuid.UUID) -> None:
        """Delete a labeler's draft for a mission, if there is one."""
        self.session.execute(
            delete(Draft).where(
                Draft.tenant_id == self.tenant_id, Draft.mission_id == mission_id, Draft.labeler_id == labeler_id
            )
        )

    # ----------------------------------------------------------------------------------------------------------- skips

    def count_skips(self, labeler_id: uuid.UUID, *, since: datetime) -> int:
        """Missions that a labeler skipped after this moment."""
        statement = (
            select(func.count())
            .select_from(Slot)
            .where(Slot.tenant_id == self.tenant_id, Slot.labeler_id == labeler_id, Slot.skipped_at > since)
        )
        return self.session.scalar(statement) or 0

    # ----------------------------------------------------------------------------------------------------------- times

    def p90_s(self, mission_type: str) -> float | None:
        """The time that nine of ten answers of a type take, in seconds; None while there are too few to say."""
        return self.session.scalar(
            select(TypeTime.p90_s).where(TypeTime.tenant_id == self.tenant_id, TypeTime.type == mission_type)
        )

    def measured_at(self) -> datetime | None:
        """When times were measured last."""
        return self.session.scalar(select(func.max(TypeTime.measured_at)).where(TypeTime.tenant_id == self.tenant_id))

    def measure_times(self, *, at: datetime, recent: int, fewest: int) -> None:
        """Measure every type's P90 over the tenant's `recent` latest answers; types with fewer than `fewest` wait."""
        took = Slot.completed_at - func.coalesce(Slot.started_at, Slot.claimed_at)
        latest = (
            select(Slot.tenant_id, Mission.type, extract("epoch", took).label("took_s"))
            .join(Mission, (Mission.tenant_id == Slot.tenant_id) & (Mission.id == Slot.mission_id))
            .where(Slot.tenant_id == self.tenant_id, Slot.state == SlotState.COMPLETED)
            .order_by(Slot.completed_at.desc())
            .limit(recent)
            .subquery()
        )
        p90 = func.percentile_cont(0.9).within_group(latest.c.took_s)
        measured: Sequence[tuple[str, float, int]] = [
            (row[0], row[1], row[2])
            for row in self.session.execute(
                select(latest.c.type, p90, func.count())
                .where(latest.c.tenant_id == self.tenant_id)
                .group_by(latest.c.type)
                .having(func.count() >= fewest)
            )
        ]
        for mission_type, seconds, count in measured:
            values = {"p90_s": max(float(seconds), 0.0), "answer_count": count, "measured_at": at}
            self.session.execute(
                insert(TypeTime)
                .values(tenant_id=self.tenant_id, type=mission_type, **values)
                .on_conflict_do_update(index_elements=[TypeTime.tenant_id, TypeTime.type], set_=values)
            )
