"""All SQL of the Arcade.

Locks are taken in one order, profile before mission. Only `claim_waiting` and `lock_mission` wait for a mission, and
both are called with no other mission locked, so no two callers wait for each other.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, SessionTransaction

from shifty_pipelines.contexts.arcade.domain.missions import LIVE, TAKEN, MissionState, MissionType, SlotState
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Profile, Slot
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Sums over one labeler's ledger."""

    xp: int
    coins: int
    xp_pending: int
    coins_pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counts over one labeler's slots."""

    completed_count: int
    settled_count: int
    right_count: int
    last_active_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Whom missions are offered to, and which."""

    labeler_id: uuid.UUID
    level: int
    mission_type: MissionType | None
    now: datetime


class ArcadeRepository(ScopedRepository):
    """Profiles, missions, slots and the ledger of one tenant."""

    # -------------------------------------------------------------------------------------------------------- profiles

    def profile(self, user_id: uuid.UUID) -> Profile | None:
        """A labeler's profile."""
        return self.find(Profile, user_id)

    def add_profile(self, profile: Profile) -> None:
        """Insert a profile unless another request just did."""
        columns = ("tenant_id", "id", "display_name", "key_slot", "created_at", "updated_at")
        values = {column: getattr(profile, column) for column in columns}
        self.session.execute(insert(Profile).values(values).on_conflict_do_nothing())

    def lock_profile(self, user_id: uuid.UUID) -> Profile:
        """A labeler's profile, locked: claims of one labeler go one after the other.

        The lock lets foreign keys through (FOR NO KEY UPDATE), so that completing never waits for claiming.
        """
        statement = self.scoped(Profile).where(Profile.id == user_id).with_for_update(key_share=True)
        return self.session.scalars(statement, execution_options={"populate_existing": True}).one()

    # -------------------------------------------------------------------------------------------------------- missions

    def mission(self, mission_id: uuid.UUID) -> Mission | None:
        """A mission by id."""
        return self.find(Mission, mission_id)

    def lock_mission(self, mission_id: uuid.UUID) -> Mission | None:
        """A mission by id, locked until the transaction ends."""
        return self.find_locked(Mission, mission_id)

    def missions(self, mission_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Mission]:
        """Missions by id."""
        found = self.session.scalars(self.scoped(Mission).where(Mission.id.in_(mission_ids)))
        return {mission.id: mission for mission in found}

    def count_unsettled(self, mission_type: str) -> int:
        """Missions of a type that still wait for answers or a decision."""
        waiting = (MissionState.OPEN, MissionState.DISPUTED)
        statement = (
            select(func.count())
            .select_from(Mission)
            .where(Mission.tenant_id == self.tenant_id, Mission.type == mission_type, Mission.state.in_(waiting))
        )
        return self.session.scalar(statement) or 0

    def available(self, offer: Offer, *, limit: int) -> Sequence[Mission]:
        """Missions offered to a labeler, best paid first."""
        statement = self._offered(offer).order_by(Mission.xp_reward.desc(), Mission.created_at, Mission.id)
        return self.session.scalars(statement.limit(limit)).all()

    def claim(self, offer: Offer) -> Mission | None:
        """The next mission offered to a labeler, locked; missions locked by others are skipped."""
        savepoint = self.session.begin_nested()
        statement = self._next(self._offered(offer)).with_for_update(skip_locked=True)
        mission = self.session.scalar(statement, execution_options={"populate_existing": True})
        return self._kept(savepoint, mission)

    def claim_waiting(self, offer: Offer) -> Mission | None:
        """As `claim`, but waits for missions locked by others; to be called with no mission locked."""
        while mission_id := self.session.scalar(self._next(self._offered(offer)).with_only_columns(Mission.id)):
            savepoint = self.session.begin_nested()
            mission = self.lock_mission(mission_id)
            is_offered = mission is not None and mission.state == MissionState.OPEN and mission.open_slots > 0
            if kept := self._kept(savepoint, mission if is_offered else None):
                return kept
        return None

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

    def _next(self, offered: Select[Mission]) -> Select[Mission]:
        return offered.order_by(Mission.priority.desc(), Mission.created_at, Mission.id).limit(1)

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

    def _offered(self, offer: Offer) -> Select[Mission]:
        is_own = (Slot.labeler_id == offer.labeler_id) & Slot.state.in_(TAKEN)
        statement = (
            self.scoped(Mission)
            .where(Mission.state == MissionState.OPEN, Mission.open_slots > 0)
            .where(or_(Mission.expires_at.is_(None), Mission.expires_at > offer.now))
            .where(Mission.required_skill_level <= offer.level)
            .where(~self._slots_of_mission(is_own).exists())
        )
        return statement.where(Mission.type == offer.mission_type) if offer.mission_type else statement

    def _slots_of_mission(self, condition: ColumnElement[bool]) -> Select[uuid.UUID]:
        return select(Slot.id).where(Slot.tenant_id == Mission.tenant_id, Slot.mission_id == Mission.id, condition)

    # ----------------------------------------------------------------------------------------------------------- slots

    def own_slots(self, mission_id: uuid.UUID, labeler_id: uuid.UUID) -> Sequence[Slot]:
        """Every assignment of a mission to one labeler, newest first."""
        statement = (
            self.scoped(Slot)
            .where(Slot.mission_id == mission_id, Slot.labeler_id == labeler_id)
            .order_by(Slot.fencing_token.desc())
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def taken_by(self, labeler_id: uuid.UUID, mission_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Slot]:
        """A labeler's slot in each of these missions, where they hold or completed one."""
        statement = self.scoped(Slot).where(
            Slot.labeler_id == labeler_id, Slot.mission_id.in_(mission_ids), Slot.state.in_(TAKEN)
        )
        return {slot.mission_id: slot for slot in self.session.scalars(statement)}

    def live_missions(self, labeler_id: uuid.UUID, *, now: datetime) -> list[tuple[uuid.UUID, str]]:
        """Id and type of the missions a labeler holds, in the order they were claimed."""
        statement = (
            select(Mission.id, Mission.type)
            .join(Slot, (Slot.tenant_id == Mission.tenant_id) & (Slot.mission_id == Mission.id))
            .where(Slot.tenant_id == self.tenant_id, Slot.labeler_id == labeler_id)
            .where(Slot.state.in_(LIVE), Slot.lease_until > now)
            .order_by(Slot.claimed_at, Mission.id)
        )
        return [(mission_id, mission_type) for mission_id, mission_type in self.session.execute(statement)]

    def completed_slots(
        self, labeler_id: uuid.UUID, *, after: tuple[datetime, uuid.UUID] | None, limit: int
    ) -> Sequence[Slot]:
        """A labeler's completed slots, newest first, from the one after `after` on."""
        newest_first = (Slot.completed_at.desc(), Slot.mission_id.desc())
        statement = self.scoped(Slot).where(Slot.labeler_id == labeler_id, Slot.state == SlotState.COMPLETED)
        if after is not None:
            statement = statement.where(func.row(Slot.completed_at, Slot.mission_id) < func.row(*after))
        return self.session.scalars(statement.order_by(*newest_first).limit(limit)).all()

    def answers(self, mission_id: uuid.UUID) -> Sequence[Slot]:
        """The slots of a mission that are used up: completed, extras not counted."""
        statement = (
            self.scoped(Slot)
            .where(Slot.mission_id == mission_id, Slot.state == SlotState.COMPLETED, Slot.is_extra.is_(False))
            .order_by(Slot.slot_number)
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def free_slot_number(self, mission: Mission) -> int:
        """The lowest slot number nobody holds; the mission is locked and has an open slot."""
        statement = select(Slot.slot_number).where(
            Slot.tenant_id == self.tenant_id,
            Slot.mission_id == mission.id,
            Slot.state.in_(TAKEN),
            Slot.is_extra.is_(False),
        )
        taken = set(self.session.scalars(statement))
        return next(number for number in range(1, mission.slot_count + 1) if number not in taken)

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

    def activity(self, labeler_id: uuid.UUID) -> Activity:
        """What a labeler did, and how much of it agreed with what was settled."""
        is_done = Slot.state == SlotState.COMPLETED
        is_settled = is_done & Slot.is_extra.is_(False) & (Mission.state == MissionState.SETTLED)
        is_right = is_settled & (Slot.result["label"].astext == Mission.settled_label)
        statement = (
            select(
                func.count().filter(is_done).label("completed_count"),
                func.count().filter(is_settled).label("settled_count"),
                func.count().filter(is_right).label("right_count"),
                func.max(func.greatest(Slot.claimed_at, Slot.started_at, Slot.completed_at)).label("last_active_at"),
            )
            .select_from(Slot)
            .join(Mission, (Mission.tenant_id == Slot.tenant_id) & (Mission.id == Slot.mission_id))
            .where(Slot.tenant_id == self.tenant_id, Slot.labeler_id == labeler_id)
        )
        row = self.session.execute(statement).one()
        return Activity(
            completed_count=row.completed_count,
            settled_count=row.settled_count,
            right_count=row.right_count,
            last_active_at=row.last_active_at,
        )

    # ---------------------------------------------------------------------------------------------------------- ledger

    def add_entries(self, entries: Sequence[LedgerEntry]) -> None:
        """Append to the ledger."""
        self.session.add_all(entries)
        self.session.flush()

    def pending_entry(self, assignment_id: uuid.UUID) -> LedgerEntry | None:
        """What an assignment was promised."""
        return self.session.scalar(
            self.scoped(LedgerEntry).where(LedgerEntry.assignment_id == assignment_id, LedgerEntry.kind == "pending")
        )

    def balance(self, labeler_id: uuid.UUID) -> Balance:
        """A labeler's sums, computed from every row each time: nothing is stored that could go astray."""

        def total(column: InstrumentedAttribute[int]) -> ColumnElement[int]:
            return func.coalesce(func.sum(column), 0)

        statement = select(
            total(LedgerEntry.xp),
            total(LedgerEntry.coins),
            total(LedgerEntry.xp_pending),
            total(LedgerEntry.coins_pending),
        ).where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.labeler_id == labeler_id)
        xp, coins, xp_pending, coins_pending = self.session.execute(statement).one()
        return Balance(xp=xp, coins=coins, xp_pending=xp_pending, coins_pending=coins_pending)
