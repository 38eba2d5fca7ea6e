"""The game's part of every story: what is booked moves scores, what is done moves streaks, and both earn badges.

Held by `ArcadeUseCases` as `game`. Everything here happens in the transaction of what caused it, under the labeler's
lock, so that ledger, scores, streaks and badges never disagree.
"""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from shifty_pipelines.contexts.arcade.domain.badges import BADGES, Criterion, Deeds, earned_badges
from shifty_pipelines.contexts.arcade.domain.boards import (
    ALL_TIME_ON,
    COUNTING_BOARDS,
    KEPT_DAYS,
    MIN_ACCURACY_ANSWERS,
    Board,
    Measure,
    Period,
    wilson_lower_bound,
    window_of,
)
from shifty_pipelines.contexts.arcade.domain.challenges import challenge_id, challenge_on
from shifty_pipelines.contexts.arcade.domain.levels import level_of
from shifty_pipelines.contexts.arcade.domain.profiles import Visibility
from shifty_pipelines.contexts.arcade.domain.shop import ItemKind
from shifty_pipelines.contexts.arcade.domain.streaks import (
    Calendar,
    FreezeBought,
    RestDays,
    StreakState,
    Worked,
    after,
    ends_on,
    passed,
)
from shifty_pipelines.contexts.arcade.domain.zones import DEFAULT_ZONE, GRACE, LocalMoment, moment_in, start_of_day
from shifty_pipelines.contexts.arcade.events import BadgeAwarded
from shifty_pipelines.contexts.arcade.models import GameSettings, LedgerEntry, Profile, Slot, Streak, Work
from shifty_pipelines.contexts.arcade.repository.boards import BoardRepository, Place, ScoreChange
from shifty_pipelines.contexts.arcade.repository.game import GameRepository
from shifty_pipelines.kernel.work import UnitOfWork

#: Earned by doing, and so told with the answer; the others tell that answers were right, and come with settlements.
DONE_BADGES = frozenset(
    badge.id for badge in BADGES if badge.criterion in (Criterion.MISSIONS_COMPLETED, Criterion.STREAK_DAYS)
)
_MOST_MISSIONS = int(max(badge.threshold for badge in BADGES if badge.criterion is Criterion.MISSIONS_COMPLETED))


class Game:
    """Scores, streaks, badges and challenges inside one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work = work
        self.repository = GameRepository(work.scope)
        self.boards = BoardRepository(work.scope)

    # ------------------------------------------------------------------------------------------------------- the hooks

    def note_work(self, slot: Slot) -> list[str]:
        """An answer was given: freeze its moment on the labeler's clock, move the streak, award what it earns.

        Returns the badges that it earned.
        """
        now, labeler_id = self.work.clock.now(), slot.labeler_id
        row = self.lock([labeler_id])[labeler_id]
        moment = moment_in(self.repository.profiles([labeler_id])[labeler_id].zone, now)
        state = after(self._state(row), Worked(moment=moment), self.calendar)
        self.repository.add(
            Work(
                tenant_id=self.work.tenant_id,
                id=slot.id,
                labeler_id=labeler_id,
                occurred_at=now,
                local_date=moment.local_date,
                zone=moment.zone,
                offset_s=moment.offset_s,
            )
        )
        self.keep_streak(row, state, zone=moment.zone)
        return self._award(labeler_id, self._done(labeler_id, state))

    def undo_work(self, slot: Slot) -> None:
        """An answer was taken back: the streak is worked out again without it, what it alone had earned goes."""
        labeler_id = slot.labeler_id
        row = self.lock([labeler_id])[labeler_id]
        state = self.recomputed(labeler_id)
        self.keep_streak(row, state, zone=self.repository.profiles([labeler_id])[labeler_id].zone)
        lost = DONE_BADGES - set(self._done(labeler_id, state))
        self.repository.take_back(labeler_id, lost, since=slot.completed_at)

    def badges_with(self, slot: Slot) -> list[str]:
        """The badges that came with an answer; the same at every repetition."""
        if slot.completed_at is None:
            return []
        given = self.repository.badges(slot.labeler_id)
        return [badge for badge, at in given.items() if at == slot.completed_at and badge in DONE_BADGES]

    def book(self, entries: Sequence[LedgerEntry]) -> None:
        """Append to the ledger and move the scores of its labelers by the same amounts."""
        labeler_ids = {entry.labeler_id for entry in entries}
        self.lock(labeler_ids)
        self.repository.add_entries(entries)
        self._score(entries, self._listed(labeler_ids))

    def celebrate(self, payments: Sequence[LedgerEntry]) -> None:
        """After a settlement: pay what completes a day's challenge, and award what being right has earned."""
        days = self.repository.work_dates([entry.assignment_id for entry in payments if entry.assignment_id])
        right_on = defaultdict[date, set[uuid.UUID]](set)
        for entry in payments:
            if entry.right_count and entry.assignment_id in days:
                right_on[days[entry.assignment_id]].add(entry.labeler_id)
        for day, labeler_ids in sorted(right_on.items()):
            self._pay_challenge(labeler_ids, day)
        paid = {entry.labeler_id for entry in payments}
        held = self.repository.badges_of(paid)
        for labeler_id, proven in sorted(self.proven_badges(paid).items()):
            if set(proven) - set(held.get(labeler_id, ())):
                self._award(labeler_id, proven)

    # -------------------------------------------------------------------------------------------------------- calendar

    @cached_property
    def settings(self) -> GameSettings | None:
        """The tenant's settings; None for a tenant that has set none."""
        return self.repository.settings()

    def forget_settings(self) -> None:
        """Read the settings again when next asked for."""
        self.__dict__.pop("settings", None)

    @property
    def zone(self) -> str:
        """Where the tenant's days begin."""
        return self.settings.zone if self.settings else DEFAULT_ZONE

    @property
    def calendar(self) -> Calendar:
        """The tenant's rest days."""
        if self.settings is None:
            return Calendar()
        return Calendar(tuple(rest_days_of(change) for change in self.settings.rest_days))

    def today(self) -> date:
        """The tenant's day."""
        return moment_in(self.zone, self.work.clock.now()).local_date

    # --------------------------------------------------------------------------------------------------------- streaks

    def lock(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Streak]:
        """Lock these labelers' part of the game; returns their streak rows."""
        return self.repository.locked_streaks(labeler_ids, now=self.work.clock.now())

    def state(self, labeler_id: uuid.UUID) -> StreakState:
        """A labeler's stored streak, up to the last event."""
        row = self.repository.streak(labeler_id)
        return StreakState() if row is None else self._state(row)

    def state_now(self, profile: Profile) -> StreakState:
        """A labeler's streak at this moment on their clock."""
        return passed(self.state(profile.id), self.clock_of(profile), self.calendar)

    def clock_of(self, profile: Profile) -> LocalMoment:
        """What a labeler's clock shows."""
        return moment_in(profile.zone, self.work.clock.now())

    def recomputed(self, labeler_id: uuid.UUID) -> StreakState:
        """A labeler's streak worked out from every event; the stored one is held to this."""
        state = StreakState()
        for event in self.repository.streak_events(labeler_id, ItemKind.STREAK_FREEZE):
            state = after(state, event, self.calendar)
        return state

    def add_freeze(self, profile: Profile, moment: LocalMoment) -> None:
        """A freeze was bought."""
        row = self.lock([profile.id])[profile.id]
        self.keep_streak(row, after(self._state(row), FreezeBought(moment=moment), self.calendar), zone=profile.zone)

    def keep_streak(self, row: Streak, state: StreakState, *, zone: str) -> None:
        """Store a streak, and show on its board how it stands now on the clocks of `zone`.

        Most answers change nothing: it was the day's second or hundredth. How a streak ends is told by other events.
        """
        told = state.to_json()
        if told == row.state:
            return
        row.state, row.updated_at = told, self.work.clock.now()
        self._show_streak(row, state, zone)

    def move_clock(self, profile: Profile) -> None:
        """A labeler's clock was changed: their streak ends by the new one."""
        row = self.lock([profile.id])[profile.id]
        self._show_streak(row, self._state(row), profile.zone)

    def end_streaks(self, *, limit: int) -> int:
        """Take streaks whose time is over off their board; returns how many were looked at.

        What is stored stays as it was after the last event: that a streak has ended follows from the time alone.
        """
        ended = self.repository.ended_streaks(now=self.work.clock.now(), limit=limit)
        profiles = self.repository.profiles([row.id for row in ended])
        for row in ended:
            self._show_streak(row, self._state(row), profiles[row.id].zone)
        return len(ended)

    def forget_old_windows(self, *, limit: int) -> int:
        """Delete the scores of days, weeks and months long over; returns how many."""
        boards = [board.value for board in Board if board.period is not Period.ALL_TIME]
        return self.boards.forget_windows(boards=boards, before=self.today() - timedelta(days=KEPT_DAYS), limit=limit)

    def _state(self, row: Streak) -> StreakState:
        """The stored state; a row that was only just made is worked out, for work may be older than the row."""
        return StreakState.from_json(row.state) if row.state else self.recomputed(row.id)

    def _show_streak(self, row: Streak, state: StreakState, zone: str) -> None:
        now = self.work.clock.now()
        state = passed(state, moment_in(zone, now), self.calendar)
        last_day = ends_on(state, self.calendar)
        row.ends_at = None if last_day is None else start_of_day(zone, last_day + timedelta(days=1)) + GRACE
        if self._listed([row.id]):
            place = Place(labeler_id=row.id, score=state.days, reached_at=state.last_gain_at or now)
            self.boards.set_scores([place], board=Board.STREAK, starts_on=ALL_TIME_ON)

    # ---------------------------------------------------------------------------------------------------------- scores

    def hide(self, labeler_id: uuid.UUID) -> None:
        """Take a labeler off every board."""
        self.lock([labeler_id])
        self.boards.forget_scores(labeler_id)

    def show(self, profile: Profile) -> None:
        """Put a labeler on the boards again, with all that the ledger says."""
        row = self.lock([profile.id])[profile.id]
        self.boards.forget_scores(profile.id)
        today = self.today()
        for day, xp, settled, right, at in sorted(self.boards.scored_days(profile.id), key=lambda found: found[4]):
            changes = _changes(profile.id, day, xp, (settled, right))
            self.boards.change_scores(_merged(change for change in changes if _is_kept(change, today)), at=at)
        self._refresh_accuracy([profile.id])
        self._show_streak(row, self._state(row), profile.zone)

    def _score(self, entries: Sequence[LedgerEntry], listed: Collection[uuid.UUID]) -> None:
        scored = [entry for entry in entries if entry.scored_on is not None and entry.labeler_id in listed]
        changes = [
            change
            for entry in scored
            if entry.scored_on is not None
            for change in _changes(
                entry.labeler_id, entry.scored_on, entry.xp, (entry.settled_count, entry.right_count)
            )
        ]
        self.boards.change_scores(_merged(changes), at=self.work.clock.now())
        self._refresh_accuracy([entry.labeler_id for entry in scored if entry.settled_count or entry.right_count])

    def _refresh_accuracy(self, labeler_ids: Collection[uuid.UUID]) -> None:
        now = self.work.clock.now()
        places = []
        for labeler_id, (right, settled) in sorted(self.boards.counts_on(Board.ACCURACY, labeler_ids).items()):
            bound = wilson_lower_bound(right, settled) if settled >= MIN_ACCURACY_ANSWERS else 0.0
            places.append(Place(labeler_id=labeler_id, score=bound, reached_at=now))
        self.boards.set_scores(places, board=Board.ACCURACY, starts_on=ALL_TIME_ON)

    def _listed(self, labeler_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Who of these is on boards; read under their locks, so that nobody who has just left comes back."""
        profiles = self.repository.profiles(labeler_ids)
        return {profile.id for profile in profiles.values() if profile.visibility != Visibility.HIDDEN}

    # ---------------------------------------------------------------------------------------------- badges, challenges

    def _done(self, labeler_id: uuid.UUID, state: StreakState) -> list[str]:
        """Badges for what was done; counts no further than the largest number that a badge asks for."""
        completed_count = self.repository.completed_count(labeler_id, at_most=_MOST_MISSIONS)
        return earned_badges(Deeds(completed_count=completed_count, longest_streak_days=state.longest_days))

    def proven_badges(self, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """Badges for having been right, by labeler."""
        return {
            labeler_id: earned_badges(
                Deeds(settled_count=tally.settled_count, right_count=tally.right_count, level=level_of(tally.xp))
            )
            for labeler_id, tally in self.repository.tallies(labeler_ids).items()
        }

    def reconsider(self, labeler_id: uuid.UUID) -> None:
        """After a correction: a level that is no longer held takes its badge with it, one that is now held gives it.

        An accuracy that was reached stays reached, as it does when it sinks by later answers.
        """
        proven = set(self.proven_badges([labeler_id])[labeler_id])
        levels = {badge.id for badge in BADGES if badge.criterion is Criterion.LEVEL}
        self.repository.take_back(labeler_id, levels - proven)
        self._award(labeler_id, proven)

    def _award(self, labeler_id: uuid.UUID, badges: Collection[str]) -> list[str]:
        given = self.repository.award(labeler_id, sorted(badges), at=self.work.clock.now())
        for badge in given:
            self.work.outbox.publish(BadgeAwarded(labeler_id=labeler_id, badge=badge))
        return given

    def _pay_challenge(self, labeler_ids: Collection[uuid.UUID], day: date) -> None:
        challenge, cause_id = challenge_on(day), challenge_id(self.work.tenant_id, day)
        right_counts = self.repository.right_on(labeler_ids, day)
        for labeler_id in sorted(labeler_ids):
            if right_counts.get(labeler_id, 0) < challenge.right_count:
                continue
            if self.repository.caused(labeler_id, "bonus", cause_id) is None:
                bonus = self.entry(labeler_id, "bonus", xp=challenge.bonus.xp, coins=challenge.bonus.coins)
                bonus.reason, bonus.cause_id, bonus.scored_on = challenge.name, cause_id, self.today()
                self.book([bonus])

    def entry(self, labeler_id: uuid.UUID, kind: str, **amounts: Any) -> LedgerEntry:
        """A ledger row of this moment, to be booked."""
        return LedgerEntry(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            labeler_id=labeler_id,
            kind=kind,
            created_at=self.work.clock.now(),
            **{
                "xp": 0,
                "coins": 0,
                "xp_pending": 0,
                "coins_pending": 0,
                "settled_count": 0,
                "right_count": 0,
                **amounts,
            },
        )


def rest_days_of(change: Mapping[str, Any]) -> RestDays:
    """One stored change of a tenant's rest days."""
    return RestDays(date.fromisoformat(change["fromOn"]), frozenset(change["weekdays"]))


def _changes(labeler_id: uuid.UUID, day: date, xp: int, counts: tuple[int, int]) -> list[ScoreChange]:
    """How a booking of (settled, right) `counts` moves every board that it counts on."""
    settled_count, right_count = counts
    amounts = {Measure.XP: xp, Measure.MISSIONS: right_count}
    changes = [
        ScoreChange(labeler_id=labeler_id, board=board, starts_on=window_of(board.period, day).starts_on, by=amount)
        for measure, amount in amounts.items()
        for board in COUNTING_BOARDS[measure]
        if amount
    ]
    if settled_count or right_count:
        accuracy = ScoreChange(
            labeler_id=labeler_id,
            board=Board.ACCURACY,
            starts_on=ALL_TIME_ON,
            by=0,
            settled_count=settled_count,
            right_count=right_count,
        )
        changes.append(accuracy)
    return changes


def _merged(changes: Iterable[ScoreChange]) -> list[ScoreChange]:
    """One change per score, in the order of their keys: one statement may touch a row only once."""
    groups: dict[tuple[uuid.UUID, str, date], list[ScoreChange]] = defaultdict(list)
    for change in changes:
        groups[change.labeler_id, change.board, change.starts_on].append(change)
    return [
        dataclasses.replace(
            group[0],
            by=sum(change.by for change in group),
            settled_count=sum(change.settled_count for change in group),
            right_count=sum(change.right_count for change in group),
        )
        for _, group in sorted(groups.items())
    ]


def _is_kept(change: ScoreChange, today: date) -> bool:
    return change.starts_on == ALL_TIME_ON or change.starts_on >= today - timedelta(days=KEPT_DAYS)
