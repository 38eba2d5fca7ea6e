"""Leaderboards, a tenant's figures over a period, its calendar, and the challenge of the day.

A board shows who lets themselves be seen, as they want to be seen; whatever lists labelers goes through `_entries` or
`_named`, exports too.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from shifty_pipelines.contexts.arcade.domain.boards import NEIGHBOURS, Board, Window, shown_accuracy, window_of
from shifty_pipelines.contexts.arcade.domain.challenges import challenge_id, challenge_on
from shifty_pipelines.contexts.arcade.domain.levels import level_of
from shifty_pipelines.contexts.arcade.domain.profiles import (
    ArcadeFigures,
    BoardEntry,
    BoardView,
    CalendarView,
    ChallengeView,
    Contributor,
    Visibility,
)
from shifty_pipelines.contexts.arcade.domain.zones import DEFAULT_ZONE, checked_zone, start_of_day
from shifty_pipelines.contexts.arcade.errors import LeaderboardOff
from shifty_pipelines.contexts.arcade.models import Profile
from shifty_pipelines.contexts.arcade.repository.boards import Place
from shifty_pipelines.contexts.arcade.service.authoring import SWEEP_LIMIT
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import UserId

#: Weekdays that rest unless a tenant says otherwise.
WEEKEND = (6, 7)
TOP_CONTRIBUTORS = 5
#: The longest period that figures are counted over in one request.
MAX_PERIOD = timedelta(days=366)
#: Days outside of these are slips of the pen, and near the ends of the calendar there is no day before or after.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
DEFAULT_PERIOD = timedelta(days=30)


class Ranking(ArcadeUseCases):
    """Where labelers stand among others."""

    def leaderboard(self, board: Board, *, limit: int) -> BoardView:
        """The top of a board, and the caller with five above and five below.

        Raises:
            LeaderboardOff: the tenant has none.
        """
        if self.game.settings is not None and not self.game.settings.has_leaderboard:
            raise LeaderboardOff
        if board is Board.STREAK:
            self.game.end_streaks(limit=SWEEP_LIMIT)
        window = window_of(board.period, self.game.today())
        top = self.game.boards.top(board, window.starts_on, limit=limit)
        own_rank, around = self._neighbourhood(board, window)
        entries = self._entries({**dict(enumerate(top, start=1)), **around})
        return BoardView(
            board=board,
            window=window,
            as_of=self.work.clock.now(),
            top=[entries[rank] for rank in range(1, len(top) + 1)],
            own_rank=own_rank,
            around=[entries[rank] for rank in sorted(around)],
        )

    def _neighbourhood(self, board: Board, window: Window) -> tuple[int | None, dict[int, Place]]:
        """The caller's rank, and the places around it by rank."""
        caller, boards = self.work.actor.user_id, self.game.boards
        own = None if caller is None else boards.place(board, window.starts_on, caller)
        if own is None:
            return None, {}
        rank = boards.rank(board, window.starts_on, own)
        ahead = boards.ahead(board, window.starts_on, own, limit=NEIGHBOURS)
        after = boards.next_after(board, window.starts_on, own, limit=NEIGHBOURS)
        return rank, dict(enumerate([*ahead, own, *after], start=rank - len(ahead)))

    def _entries(self, places: Mapping[int, Place]) -> dict[int, BoardEntry]:
        """Lines by rank. Who hid a moment ago is left nameless, and is gone at the next look."""
        labeler_ids = {place.labeler_id for place in places.values()}
        profiles = self.game.repository.profiles(labeler_ids)
        xp = self.game.repository.xp_of(labeler_ids)
        badges = self.game.repository.badges_of(labeler_ids)
        return {
            rank: self._line(rank, place, profiles[place.labeler_id], xp.get(place.labeler_id, 0), badges)
            for rank, place in places.items()
        }

    def _line(
        self, rank: int, place: Place, profile: Profile, xp: int, badges: Mapping[uuid.UUID, Sequence[str]]
    ) -> BoardEntry:
        user_id, display_name = self._named(profile)
        return BoardEntry(
            rank=rank,
            user_id=user_id,
            display_name=display_name,
            level=level_of(xp),
            score=place.score,
            badges=badges.get(profile.id, []) if user_id else [],
            cosmetic=profile.cosmetic if user_id else None,
            is_you=profile.id == self.work.actor.user_id,
        )

    def _named(self, profile: Profile) -> tuple[UserId | None, str]:
        """Whom others see: the id with a name, or only a pseudonym; oneself is treated like everybody."""
        match Visibility(profile.visibility):
            case Visibility.NAMED:
                return UserId(profile.id), profile.display_name
            case Visibility.PSEUDONYM:
                return None, profile.pseudonym or ""
            case Visibility.HIDDEN:
                return None, "Hidden labeler"

    # --------------------------------------------------------------------------------------------------------- figures

    def figures(self, start: date | None, end: date | None) -> ArcadeFigures:
        """The tenant's figures from the start of one of its days to the end of another (30 days up to today).

        Raises:
            InvalidValue: the end is before the start, or the period is longer than a year.
        """
        for name, day in (("start", start), ("end", end)):
            if day is not None and not FIRST_DAY <= day <= LAST_DAY:
                raise InvalidValue(name, day.isoformat(), f"a day from {FIRST_DAY} to {LAST_DAY}")
        last = end or self.game.today()
        first = start or last - DEFAULT_PERIOD + timedelta(days=1)
        if not timedelta() <= last - first < MAX_PERIOD:
            expected = f"a day from {first.isoformat()} on, at most {MAX_PERIOD.days} days in all"
            raise InvalidValue("end", last.isoformat(), expected)
        opens_at, closes_at = self._bounds(first, last)
        boards = self.game.boards
        right_count, settled_count = boards.answer_tally(first, last)
        return ArcadeFigures(
            tenant_id=self.work.tenant_id,
            period_start=opens_at,
            period_end=closes_at,
            total_users=boards.count_profiles(),
            active_users=boards.count_active(opens_at, closes_at),
            missions_completed=boards.count_settled(opens_at, closes_at),
            missions_available=boards.count_available(opens_at, closes_at, now=self.work.clock.now()),
            samples_generated=boards.count_answers(opens_at, closes_at),
            average_accuracy=shown_accuracy(right_count, settled_count),
            top_contributors=self._contributors(first, last),
        )

    def _bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        zone = self.game.zone
        return start_of_day(zone, first), start_of_day(zone, last + timedelta(days=1))

    def _contributors(self, first: date, last: date) -> list[Contributor]:
        found = self.game.boards.contributors(first, last, limit=TOP_CONTRIBUTORS)
        profiles = self.game.repository.profiles([labeler_id for labeler_id, _ in found])
        return [
            Contributor(user_id=user_id, display_name=display_name, contributions=count)
            for labeler_id, count in found
            for user_id, display_name in [self._named(profiles[labeler_id])]
        ]

    # ------------------------------------------------------------------------------------------- calendar, challenges

    def calendar(self) -> CalendarView:
        """The tenant's calendar as it holds today."""
        settings, today = self.game.settings, self.game.today()
        rest = [
            day for day in (today + timedelta(days=number) for number in range(7)) if self.game.calendar.is_rest(day)
        ]
        return CalendarView(
            zone=self.game.zone,
            rest_weekdays=sorted(day.isoweekday() for day in rest),
            has_leaderboard=settings is None or settings.has_leaderboard,
        )

    def change_calendar(
        self, *, zone: str | None, rest_weekdays: Sequence[int] | None, has_leaderboard: bool | None
    ) -> CalendarView:
        """Change the tenant's calendar; None leaves a part as it is. Rest days change from today on, audited.

        Raises:
            InvalidValue: there is no such time zone.
        """
        now = self.work.clock.now()
        first = {
            "zone": DEFAULT_ZONE,
            "rest_days": [_rest(date.min, WEEKEND)],
            "has_leaderboard": True,
            "updated_at": now,
        }
        settings = self.game.repository.locked_settings(first)
        if zone is not None:
            settings.zone = checked_zone(zone)
        if rest_weekdays is not None:
            today = self.game.today()
            before = [change for change in settings.rest_days if change["fromOn"] != today.isoformat()]
            settings.rest_days = [*before, _rest(today, rest_weekdays)]
            self.game.repository.review_streaks(now=now)
        if has_leaderboard is not None:
            settings.has_leaderboard = has_leaderboard
        settings.updated_at = now
        self.work.audit.record("arcade_settings.changed", "tenant", self.work.tenant_id)
        self.repository.session.flush()
        self.game.forget_settings()
        return self.calendar()

    def challenge_today(self, *, labeler_id: UserId) -> ChallengeView:
        """The challenge of the caller's day, and how far they got."""
        self._require_self(labeler_id, "see challenges")
        day = self.game.clock_of(self._profile(labeler_id)).local_date
        cause_id = challenge_id(self.work.tenant_id, day)
        return ChallengeView(
            id=cause_id,
            tenant_id=self.work.tenant_id,
            on=day,
            challenge=challenge_on(day),
            right_count=self.game.repository.right_on([labeler_id], day).get(labeler_id, 0),
            is_paid=self.game.repository.caused(labeler_id, "bonus", cause_id) is not None,
        )

    def tend_game(self) -> int:
        """End streaks whose time is over and forget boards long past; returns how many rows that were."""
        return self.game.end_streaks(limit=SWEEP_LIMIT) + self.game.forget_old_windows(limit=SWEEP_LIMIT)


def _rest(from_on: date, weekdays: Sequence[int]) -> dict[str, object]:
    return {"fromOn": from_on.isoformat(), "weekdays": sorted(set(weekdays))}
