"""Which mission comes next: most urgent first, then by how little is known about it, a day of waiting for a whole unit.

Every claim walks an index that is in this order and stops at the first mission that may be given. It reads that row,
and those above it that this labeler may not have: their own, those they answered or skipped, those locked by others.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.orm import SessionTransaction

from shifty_pipelines.contexts.arcade.domain.missions import LIVE, TAKEN, MissionState, MissionType
from shifty_pipelines.contexts.arcade.models import Mission, Slot
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Whom missions are offered to, and which."""

    labeler_id: uuid.UUID
    level: int
    mission_type: MissionType | None
    now: datetime
    #: Deployments are decided by who has the duty; they are offered to nobody else, and only by name.
    may_approve: bool = False


class QueueRows(ScopedRepository):
    """Missions on offer, and taking them."""

    def available(self, offer: Offer, *, limit: int) -> Sequence[Mission]:
        """Missions offered to a labeler, best paid first."""
        statement = (
            self._offered(offer)
            .where(Mission.required_skill_level <= offer.level)
            .order_by(Mission.xp_reward.desc(), Mission.created_at, Mission.id)
        )
        return self.session.scalars(statement.limit(limit)).all()

    def claim(self, offer: Offer) -> Mission | None:
        """The next mission offered to a labeler, locked; missions locked by others are skipped."""
        # With one level to choose from there is none to choose.
        levels = [1] if offer.level == 1 else self.session.scalars(self.levels_on_offer(offer)).all()
        for level in levels:
            savepoint = self.session.begin_nested()
            mission = self.session.scalar(
                self.next_at_level(offer, level), execution_options={"populate_existing": True}
            )
            if kept := self._kept(savepoint, mission):
                return kept
        return None

    def claim_waiting(self, offer: Offer) -> Mission | None:
        """As `claim`, but waits for missions locked by others; to be called with no mission locked."""
        while levels := self.session.scalars(self.levels_on_offer(offer)).all():
            mission_id = self.session.scalar(
                self._first(self._at_level(offer, levels[0])).with_only_columns(Mission.id)
            )
            if mission_id is None:
                continue  # gone between the two looks; the next look sees what is left
            savepoint = self.session.begin_nested()
            mission = self.find_locked(Mission, mission_id)
            is_offered = mission is not None and mission.takes_answers()
            if kept := self._kept(savepoint, mission if is_offered else None):
                return kept
        return None

    def next_at_level(self, offer: Offer, level: int) -> Select[Mission]:
        """The best mission on offer at a skill level that nobody has locked; locks it."""
        return self._first(self._at_level(offer, level)).with_for_update(skip_locked=True)

    def levels_on_offer(self, offer: Offer) -> Select[Any]:
        """The skill levels at which something is on offer, that of the best mission first: one index probe each."""
        level = func.generate_series(1, offer.level).table_valued("level").render_derived()
        best = (
            self._first(self._offered(offer).where(Mission.required_skill_level == level.c.level))
            .with_only_columns(Mission.tenant_id, Mission.priority, Mission.queue_rank, Mission.id)
            .correlate(level)
            .lateral("best")
        )
        return (
            select(level.c.level)
            .join(best, true())
            .where(best.c.tenant_id == self.tenant_id)
            .order_by(best.c.priority.desc(), best.c.queue_rank, best.c.id)
        )

    def overdue(self, *, now: datetime, limit: int) -> Sequence[Mission]:
        """Open missions past their time that nobody holds, locked."""
        statement = (
            self.scoped(Mission)
            .where(Mission.state == MissionState.OPEN, Mission.expires_at <= now)
            .where(~self._slots_of_mission(Slot.state.in_(LIVE)).exists())
            .order_by(Mission.expires_at)
            .limit(limit)
        )
        return self.session.scalars(
            statement.with_for_update(skip_locked=True), execution_options={"populate_existing": True}
        ).all()

    def _kept(self, savepoint: SessionTransaction, mission: Mission | None) -> Mission | None:
        """The mission; without one, the savepoint is rolled back.

        PostgreSQL locks a row before it sees that the row no longer matches, and keeps that lock: two claimers that go
        on to wait for other rows would wait for each other (seen with 64 threads on 20 missions).
        """
        if mission is None:
            savepoint.rollback()
        else:
            savepoint.commit()
        return mission

    def _at_level(self, offer: Offer, level: int) -> Select[Mission]:
        return self._offered(offer).where(Mission.required_skill_level == level)

    def _first(self, offered: Select[Any]) -> Select[Any]:
        return offered.order_by(Mission.priority.desc(), Mission.queue_rank, Mission.id).limit(1)

    def _offered(self, offer: Offer) -> Select[Mission]:
        is_closed_to_them = (Slot.labeler_id == offer.labeler_id) & (
            Slot.state.in_(TAKEN) | Slot.skipped_at.is_not(None)
        )
        statement = (
            self.scoped(Mission)
            .where(Mission.state == MissionState.OPEN, Mission.open_slots > 0, ~Mission.is_paused)
            .where(or_(Mission.expires_at.is_(None), Mission.expires_at > offer.now))
            .where(Mission.created_by.is_distinct_from(offer.labeler_id))
            .where(Mission.reported_by.is_distinct_from(offer.labeler_id))
            .where(~self._slots_of_mission(is_closed_to_them).exists())
        )
        if offer.mission_type is not None:
            statement = statement.where(Mission.type == offer.mission_type)
        if offer.mission_type is None or not offer.may_approve:
            statement = statement.where(Mission.type != MissionType.APPROVE_DEPLOYMENT)
        return statement

    def _slots_of_mission(self, condition: ColumnElement[bool]) -> Select[uuid.UUID]:
        return select(Slot.id).where(Slot.tenant_id == Mission.tenant_id, Slot.mission_id == Mission.id, condition)
