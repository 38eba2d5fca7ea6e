"""Leaderboards: what is measured, over which days, and from how many answers a share may be shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from math import sqrt

from shifty_pipelines.contexts.arcade.domain.missions import MissionType


class Measure(StrEnum):
    """What a board counts."""

    XP = "xp"
    MISSIONS = "missions"
    ACCURACY = "accuracy"
    STREAK = "streak"


class Period(StrEnum):
    """The days that a board covers, by the tenant's calendar; weeks are ISO weeks."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ALL_TIME = "all_time"


class Board(StrEnum):
    """Every leaderboard; seven of the names are those that existing clients ask for."""

    XP_ALL_TIME = "xp_all_time"
    XP_MONTHLY = "xp_monthly"
    XP_WEEKLY = "xp_weekly"
    XP_DAILY = "xp_daily"
    MISSIONS_ALL_TIME = "missions_all_time"
    MISSIONS_MONTHLY = "missions_monthly"
    MISSIONS_WEEKLY = "missions_weekly"
    MISSIONS_DAILY = "missions_daily"
    ACCURACY = "accuracy"
    STREAK = "streak"

    @property
    def measure(self) -> Measure:
        """What it counts."""
        return Measure(self.value.partition("_")[0])

    @property
    def period(self) -> Period:
        """The days it covers."""
        return Period(self.value.partition("_")[2] or Period.ALL_TIME)


#: Boards that a settled answer counts on.
COUNTING_BOARDS: Mapping[Measure, tuple[Board, ...]] = {
    measure: tuple(board for board in Board if board.measure is measure) for measure in (Measure.XP, Measure.MISSIONS)
}
#: Paid by the outcome of a release, so much and so late that it would decide every board; it counts on none.
UNRANKED_TYPES = frozenset({MissionType.APPROVE_DEPLOYMENT})
#: The first day of what has no first day.
ALL_TIME_ON = date(1970, 1, 1)
#: Days of a daily, weekly or monthly board that are kept after it is over.
KEPT_DAYS = 62
#: With fewer settled answers a share says more about luck than about the labeler, and is shown to nobody.
MIN_ACCURACY_ANSWERS = 20
#: Standard normal quantile of a 95 % interval.
_Z = 1.959963984540054
#: Of one's own rank, how many entries are shown above and below.
NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Window:
    """The days of a board: from the first to before the last; `ends_on` is None where it never ends."""

    starts_on: date
    ends_on: date | None


def window_of(period: Period, day: date) -> Window:
    """The window of this period that `day` lies in."""
    match period:
        case Period.DAILY:
            return Window(day, day + timedelta(days=1))
        case Period.WEEKLY:
            monday = day - timedelta(days=day.isoweekday() - 1)
            return Window(monday, monday + timedelta(days=7))
        case Period.MONTHLY:
            first = day.replace(day=1)
            return Window(first, (first + timedelta(days=31)).replace(day=1))
        case Period.ALL_TIME:
            return Window(ALL_TIME_ON, None)


def wilson_lower_bound(right_count: int, answer_count: int) -> float:
    """The lower end of Wilson's 95 % interval of a share, 0 to 1; 0 without answers.

    Few answers give a low bound: 20 of 20 rank below 195 of 200.

    Source: Wilson (1927); Brown, Cai & DasGupta (2001), eq. 4.
    """
    if answer_count == 0:
        return 0.0
    share, squared = right_count / answer_count, _Z * _Z
    centre = share + squared / (2 * answer_count)
    spread = _Z * sqrt(share * (1 - share) / answer_count + squared / (4 * answer_count**2))
    return max(0.0, (centre - spread) / (1 + squared / answer_count))


def shown_accuracy(right_count: int, answer_count: int) -> float | None:
    """The share of right answers, or None while there are too few to show it."""
    return right_count / answer_count if answer_count >= MIN_ACCURACY_ANSWERS else None
