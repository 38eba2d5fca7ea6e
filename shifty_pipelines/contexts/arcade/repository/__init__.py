"""All SQL of the Arcade.

Locks are taken in one order, profile before mission. Only `claim_waiting` and `lock_mission` wait for a mission, and
both are called with no other mission locked, so no two callers wait for each other.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from shifty_pipelines.contexts.arcade.domain.missions import LIVE, TAKEN, MissionState, SlotState
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Profile, Slot
from shifty_pipelines.contexts.arcade.repository.batches import BatchRows
from shifty_pipelines.contexts.arcade.repository.leases import LeaseRows
from shifty_pipelines.contexts.arcade.repository.queue import QueueRows
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
    last_active_at: datetime | None


class ArcadeRepository(QueueRows, LeaseRows, BatchRows, ScopedRepository):
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

    def lock_profile(self, user_id: uuid.UUID) -> Profile | None:
        """A labeler's profile, if there is one, locked: claims of one labeler go one after the other.

        The lock lets foreign keys through (FOR NO KEY UPDATE), so that completing never waits for claiming.
        """
        statement = self.scoped(Profile).where(Profile.id == user_id).with_for_update(key_share=True)
        return self.session.scalar(statement, execution_options={"populate_existing": True})

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

    def set_uncertainty(self, mission_id: uuid.UUID, uncertainty: float) -> None:
        """Set how uncertain a mission's item is, and with it its place in the queue."""
        self.session.execute(
            update(Mission)
            .where(Mission.tenant_id == self.tenant_id, Mission.id == mission_id)
            .values(uncertainty=uncertainty)
            .execution_options(synchronize_session=False)
        )

    def count_unsettled(self, mission_type: str) -> int:
        """Missions of a type that still wait for answers or a decision."""
        waiting = (MissionState.OPEN, MissionState.DISPUTED)
        statement = (
            select(func.count())
            .select_from(Mission)
            .where(Mission.tenant_id == self.tenant_id, Mission.type == mission_type, Mission.state.in_(waiting))
        )
        return self.session.scalar(statement) or 0

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

    def unpaid_extras(self, mission_id: uuid.UUID) -> Sequence[Slot]:
        """Answers beside the slots of a mission that have not been settled."""
        is_paid = select(LedgerEntry.id).where(
            LedgerEntry.tenant_id == Slot.tenant_id,
            LedgerEntry.assignment_id == Slot.id,
            LedgerEntry.kind == "settled",
        )
        statement = (
            self.scoped(Slot)
            .where(Slot.mission_id == mission_id, Slot.state == SlotState.COMPLETED, Slot.is_extra)
            .where(~is_paid.exists())
            .order_by(Slot.fencing_token)
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

    def activity(self, labeler_id: uuid.UUID) -> Activity:
        """How much a labeler did, and when last."""
        statement = select(
            func.count().filter(Slot.state == SlotState.COMPLETED).label("completed_count"),
            func.max(func.greatest(Slot.claimed_at, Slot.started_at, Slot.completed_at)).label("last_active_at"),
        ).where(Slot.tenant_id == self.tenant_id, Slot.labeler_id == labeler_id)
        row = self.session.execute(statement).one()
        return Activity(completed_count=row.completed_count, last_active_at=row.last_active_at)

    # ---------------------------------------------------------------------------------------------------------- ledger

    def add_entries(self, entries: Sequence[LedgerEntry]) -> None:
        """Append to the ledger."""
        self.session.add_all(entries)
        self.session.flush()

    def pending_entry(self, assignment_id: uuid.UUID) -> LedgerEntry | None:
        """What an assignment was promised."""
        return self.pending_entries([assignment_id]).get(assignment_id)

    def pending_entries(self, assignment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LedgerEntry]:
        """What several assignments were promised."""
        statement = self.scoped(LedgerEntry).where(
            LedgerEntry.assignment_id.in_(assignment_ids), LedgerEntry.kind == "pending"
        )
        return {entry.assignment_id: entry for entry in self.session.scalars(statement) if entry.assignment_id}

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
