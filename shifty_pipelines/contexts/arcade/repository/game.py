"""The SQL of the game: ledger sums, work by local day, streaks, badges, purchases, settings.

A labeler's row in `labeler_streaks` is the lock of everything the game stores about them. It is taken after a profile's
and a mission's lock and before scores; of several labelers in the order of their ids, so that nobody waits in a circle.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shifty_pipelines.contexts.arcade.domain.missions import SlotState
from shifty_pipelines.contexts.arcade.domain.profiles import LedgerLine
from shifty_pipelines.contexts.arcade.domain.streaks import FreezeBought, Worked
from shifty_pipelines.contexts.arcade.domain.zones import LocalMoment
from shifty_pipelines.contexts.arcade.models import (
    AwardedBadge,
    GameSettings,
    LedgerEntry,
    Mission,
    Profile,
    Purchase,
    Slot,
    Streak,
    Work,
)
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums over one labeler's ledger."""

    xp: int
    coins: int
    settled_count: int
    right_count: int


class GameRepository(ScopedRepository):
    """What the game keeps about the labelers of one tenant."""

    # -------------------------------------------------------------------------------------------------------- settings

    def settings(self) -> GameSettings | None:
        """The tenant's settings, if it ever set any."""
        statement = select(GameSettings).where(GameSettings.tenant_id == self.tenant_id)
        return self.session.scalar(statement, execution_options={"populate_existing": True})

    def locked_settings(self, first: Mapping[str, object]) -> GameSettings:
        """The tenant's settings, locked; `first` is written if it has none."""
        self.session.execute(insert(GameSettings).values(tenant_id=self.tenant_id, **first).on_conflict_do_nothing())
        statement = select(GameSettings).where(GameSettings.tenant_id == self.tenant_id).with_for_update()
        return self.session.scalars(statement, execution_options={"populate_existing": True}).one()

    # -------------------------------------------------------------------------------------------------------- labelers

    def locked_streaks(self, labeler_ids: Collection[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, Streak]:
        """The streak rows of these labelers, made if missing (with an empty state), and locked."""
        found = self._locked_streaks(labeler_ids)
        missing = sorted(set(labeler_ids) - found.keys())
        if not missing:
            return found
        rows = [{"tenant_id": self.tenant_id, "id": name, "state": {}, "updated_at": now} for name in missing]
        self.session.execute(insert(Streak.__table__).on_conflict_do_nothing(), rows)  # type: ignore[arg-type]
        return self._locked_streaks(labeler_ids)

    def _locked_streaks(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Streak]:
        statement = self.scoped(Streak).where(Streak.id.in_(labeler_ids)).order_by(Streak.id).with_for_update()
        found = self.session.scalars(statement, execution_options={"populate_existing": True})
        return {row.id: row for row in found}

    def streak(self, labeler_id: uuid.UUID) -> Streak | None:
        """Where a labeler's streak stands."""
        return self.find(Streak, labeler_id)

    def ended_streaks(self, *, now: datetime, limit: int) -> Sequence[Streak]:
        """Streaks whose time is over, locked; those that others have in hand are left to them."""
        statement = self.scoped(Streak).where(Streak.ends_at <= now).order_by(Streak.ends_at).limit(limit)
        return self.session.scalars(
            statement.with_for_update(skip_locked=True), execution_options={"populate_existing": True}
        ).all()

    def review_streaks(self, *, now: datetime) -> None:
        """Have every running streak looked at again (`ended_streaks`), for it may end at another time than was said."""
        self.session.execute(
            update(Streak)
            .where(Streak.tenant_id == self.tenant_id, Streak.ends_at > now)
            .values(ends_at=now)
            .execution_options(synchronize_session=False)
        )

    def profiles(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Profile]:
        """Profiles by id, freshly read."""
        statement = self.scoped(Profile).where(Profile.id.in_(labeler_ids))
        found = self.session.scalars(statement, execution_options={"populate_existing": True})
        return {profile.id: profile for profile in found}

    # ------------------------------------------------------------------------------------------------------------ work

    def streak_events(self, labeler_id: uuid.UUID, freeze_item: str) -> list[Worked | FreezeBought]:
        """Everything that a labeler's streak is made of, in order; answers that were taken back are not among it.

        Of the work in one hour only the first is read: it can gain the day, and the others change nothing.
        """
        hour = func.date_trunc("hour", Work.occurred_at)
        work = (
            select(func.min(Work.occurred_at), Work.local_date, Work.zone, Work.offset_s)
            .join(Slot, (Slot.tenant_id == Work.tenant_id) & (Slot.id == Work.id))
            .where(Work.tenant_id == self.tenant_id, Work.labeler_id == labeler_id, Slot.state == SlotState.COMPLETED)
            .group_by(Work.local_date, Work.zone, Work.offset_s, hour)
        )
        bought = select(Purchase.occurred_at, Purchase.local_date, Purchase.zone, Purchase.offset_s).where(
            Purchase.tenant_id == self.tenant_id, Purchase.labeler_id == labeler_id, Purchase.item == freeze_item
        )
        events: list[Worked | FreezeBought] = [Worked(moment=_moment(*row)) for row in self.session.execute(work)]
        events += [FreezeBought(moment=_moment(*row)) for row in self.session.execute(bought)]
        return sorted(events, key=lambda event: event.moment.at)

    def work_dates(self, assignment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, date]:
        """The local day of the work of these assignments."""
        statement = select(Work.id, Work.local_date).where(
            Work.tenant_id == self.tenant_id, Work.id.in_(assignment_ids)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def right_on(self, labeler_ids: Collection[uuid.UUID], day: date) -> dict[uuid.UUID, int]:
        """Right answers, as far as they are settled, among these labelers' work of one local day."""
        statement = (
            select(Work.labeler_id, func.sum(LedgerEntry.right_count))
            .join(Work, (Work.tenant_id == LedgerEntry.tenant_id) & (Work.id == LedgerEntry.assignment_id))
            .where(LedgerEntry.tenant_id == self.tenant_id, Work.labeler_id.in_(labeler_ids), Work.local_date == day)
            .group_by(Work.labeler_id)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def completed_count(self, labeler_id: uuid.UUID, *, at_most: int) -> int:
        """How many answers of a labeler stand; counts no further than `at_most`."""
        own = (
            self.scoped(Slot)
            .where(Slot.labeler_id == labeler_id, Slot.state == SlotState.COMPLETED)
            .with_only_columns(Slot.id)
            .limit(at_most)
        )
        return self.session.scalar(select(func.count()).select_from(own.subquery())) or 0

    # ---------------------------------------------------------------------------------------------------------- ledger

    def add_entries(self, entries: Sequence[LedgerEntry]) -> None:
        """Append to the ledger."""
        self.session.add_all(entries)
        self.session.flush()

    def tally(self, labeler_id: uuid.UUID) -> Tally:
        """A labeler's sums."""
        return self.tallies([labeler_id])[labeler_id]

    def tallies(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Tally]:
        """The sums of several labelers; nothing for who has no entry."""
        statement = (
            select(
                LedgerEntry.labeler_id,
                func.sum(LedgerEntry.xp),
                func.sum(LedgerEntry.coins),
                func.sum(LedgerEntry.settled_count),
                func.sum(LedgerEntry.right_count),
            )
            .where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.labeler_id.in_(labeler_ids))
            .group_by(LedgerEntry.labeler_id)
        )
        found = dict.fromkeys(labeler_ids, Tally(xp=0, coins=0, settled_count=0, right_count=0))
        for labeler_id, xp, coins, settled_count, right_count in self.session.execute(statement):
            found[labeler_id] = Tally(xp=xp, coins=coins, settled_count=settled_count, right_count=right_count)
        return found

    def tallies_by_type(self, labeler_id: uuid.UUID) -> list[tuple[str, int, int]]:
        """Per mission type: settled and right answers of a labeler."""
        statement = (
            select(Mission.type, func.sum(LedgerEntry.settled_count), func.sum(LedgerEntry.right_count))
            .join(Mission, (Mission.tenant_id == LedgerEntry.tenant_id) & (Mission.id == LedgerEntry.mission_id))
            .where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.labeler_id == labeler_id)
            .group_by(Mission.type)
            .order_by(Mission.type)
        )
        return [(mission_type, settled, right) for mission_type, settled, right in self.session.execute(statement)]

    def xp_of(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
        """The settled XP of several labelers."""
        statement = (
            select(LedgerEntry.labeler_id, func.sum(LedgerEntry.xp))
            .where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.labeler_id.in_(labeler_ids))
            .group_by(LedgerEntry.labeler_id)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def paid(self, assignment_id: uuid.UUID) -> Sequence[LedgerEntry]:
        """The payment of an assignment and its corrections, in order; empty before settlement."""
        kinds = ("settled", "correction")
        statement = self.scoped(LedgerEntry).where(
            LedgerEntry.assignment_id == assignment_id, LedgerEntry.kind.in_(kinds)
        )
        return self.session.scalars(statement.order_by(LedgerEntry.created_at, LedgerEntry.id)).all()

    def caused(self, labeler_id: uuid.UUID, kind: str, cause_id: uuid.UUID) -> LedgerEntry | None:
        """What a cause has booked for a labeler."""
        return self.session.scalar(
            self.scoped(LedgerEntry)
            .where(LedgerEntry.labeler_id == labeler_id, LedgerEntry.kind == kind, LedgerEntry.cause_id == cause_id)
            .limit(1)
        )

    def lines(self, labeler_id: uuid.UUID, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> list[LedgerLine]:
        """A labeler's ledger, newest first, from the line after `after` on."""
        statement = self.scoped(LedgerEntry).where(LedgerEntry.labeler_id == labeler_id)
        if after is not None:
            statement = statement.where(func.row(LedgerEntry.created_at, LedgerEntry.id) < func.row(*after))
        newest_first = (LedgerEntry.created_at.desc(), LedgerEntry.id.desc())
        found = self.session.scalars(statement.order_by(*newest_first).limit(limit))
        return [
            LedgerLine(**{name: getattr(entry, name) for name in LedgerLine.__dataclass_fields__}) for entry in found
        ]

    # ---------------------------------------------------------------------------------------------- badges, purchases

    def badges(self, labeler_id: uuid.UUID) -> dict[str, datetime]:
        """A labeler's badges, each with the moment it was awarded, oldest first."""
        statement = (
            select(AwardedBadge.badge, AwardedBadge.awarded_at)
            .where(AwardedBadge.tenant_id == self.tenant_id, AwardedBadge.labeler_id == labeler_id)
            .order_by(AwardedBadge.awarded_at, AwardedBadge.badge)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def badges_of(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """The badges of several labelers."""
        statement = (
            select(AwardedBadge.labeler_id, func.array_agg(AwardedBadge.badge))
            .where(AwardedBadge.tenant_id == self.tenant_id, AwardedBadge.labeler_id.in_(labeler_ids))
            .group_by(AwardedBadge.labeler_id)
        )
        return {labeler_id: sorted(badges) for labeler_id, badges in self.session.execute(statement)}

    def award(self, labeler_id: uuid.UUID, badges: Collection[str], *, at: datetime) -> list[str]:
        """Give badges that the labeler does not have yet; returns which those were."""
        if not set(badges) - self.badges(labeler_id).keys():
            return []
        rows = [
            {"tenant_id": self.tenant_id, "labeler_id": labeler_id, "badge": badge, "awarded_at": at}
            for badge in badges
        ]
        given = insert(AwardedBadge).values(rows).on_conflict_do_nothing().returning(AwardedBadge.badge)
        return list(self.session.scalars(given))

    def take_back(self, labeler_id: uuid.UUID, badges: Collection[str], *, since: datetime | None = None) -> None:
        """Take badges away again, if they were given at `since` or later."""
        statement = delete(AwardedBadge).where(
            AwardedBadge.tenant_id == self.tenant_id,
            AwardedBadge.labeler_id == labeler_id,
            AwardedBadge.badge.in_(badges),
        )
        if since is not None:
            statement = statement.where(AwardedBadge.awarded_at >= since)
        self.session.execute(statement)

    def bought_counts(self, labeler_id: uuid.UUID) -> dict[str, int]:
        """How often a labeler bought each item."""
        statement = (
            select(Purchase.item, func.count())
            .where(Purchase.tenant_id == self.tenant_id, Purchase.labeler_id == labeler_id)
            .group_by(Purchase.item)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def purchase(self, purchase_id: uuid.UUID) -> Purchase | None:
        """A purchase by id."""
        return self.find(Purchase, purchase_id)


def _moment(at: datetime, local_date: date, zone: str, offset_s: int) -> LocalMoment:
    return LocalMoment(at=at, local_date=local_date, zone=zone, offset_s=offset_s)
