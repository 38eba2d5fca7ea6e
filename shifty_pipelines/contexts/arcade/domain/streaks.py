"""Streaks: days in a row on which somebody worked, as a pure function of what happened, in order.

The state is a fold: time passes, work is done, a freeze is bought. The stored state is only where the fold has got to;
folding all events again gives the same, which a test holds it to. What counts as a day is the labeler's own calendar,
frozen per event (`zones.LocalMoment`); no hours are counted but two:

- two days are never gained within 20 hours, so that changing zones at midnight gives nothing. A day worked too soon
  after the last gain is kept: the streak neither grows nor breaks;
- work until 3 hours past midnight counts for the day before where that day would be missed otherwise.

A missed day is forgiven if it is a rest day of the tenant's calendar, if travelling east took it away, or by a freeze.
Source: research on streak failures of other systems, docs/contexts/arcade.md, "Streaks".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Self, assert_never

from shifty_pipelines.contexts.arcade.domain.zones import LocalMoment

MIN_GAIN_INTERVAL = timedelta(hours=20)
#: Missed days that are forgiven each calendar month without anybody asking.
FREE_FREEZES_A_MONTH = 2
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RestDays:
    """From a day on, these ISO weekdays (1 is Monday) are no working days."""

    from_on: date
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True)
class Calendar:
    """A tenant's rest days, oldest first. A change holds from its day on: no past day becomes missed by it."""

    changes: Sequence[RestDays] = field(default=(RestDays(date.min, frozenset({6, 7})),))

    def is_rest(self, day: date) -> bool:
        """Whether nobody is expected to work on this day."""
        holding = [change for change in self.changes if change.from_on <= day]
        return bool(holding) and day.isoweekday() in holding[-1].weekdays


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """An answer was given."""

    moment: LocalMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeBought:
    """A freeze was bought; it forgives days that are missed from then on, never one that is over."""

    moment: LocalMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakState:
    """Where a labeler's streak stands after the days up to and including `last_on`."""

    days: int = 0
    longest_days: int = 0
    #: The last day that is accounted for: worked, at rest or frozen.
    last_on: date | None = None
    gained_on: date | None = None
    last_gain_at: datetime | None = None
    #: The clock of the last work, by which travelling is noticed.
    last_offset_s: int = 0
    #: Free freezes used in the month that begins on `freeze_month`.
    freeze_month: date | None = None
    free_used_count: int = 0
    bought_count: int = 0

    def free_left(self, day: date) -> int:
        """Free freezes left in the month of `day`."""
        used = self.free_used_count if self.freeze_month == day.replace(day=1) else 0
        return FREE_FREEZES_A_MONTH - used

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """As it was stored; dates and the moment are the fields that JSON has no type for."""
        parse: Mapping[str, Callable[[str], date]] = {
            "last_on": date.fromisoformat,
            "gained_on": date.fromisoformat,
            "freeze_month": date.fromisoformat,
            "last_gain_at": datetime.fromisoformat,
        }
        fields: dict[str, Any] = {
            name: parse[name](value) if name in parse and value is not None else value for name, value in stored.items()
        }
        return cls(**fields)


def streak_of(events: Iterable[Worked | FreezeBought], *, now: LocalMoment, calendar: Calendar) -> StreakState:
    """The state at `now` after all of these events, which come in order of time."""
    state = StreakState()
    for event in events:
        state = after(state, event, calendar)
    return passed(state, now, calendar)


def after(state: StreakState, event: Worked | FreezeBought, calendar: Calendar) -> StreakState:
    """The state after one more event."""
    match event:
        case Worked(moment=moment):
            return worked(state, moment, calendar)
        case FreezeBought(moment=moment):
            past = passed(state, moment, calendar)
            return replace(past, bought_count=past.bought_count + 1)
        case _:
            assert_never(event)


def passed(state: StreakState, now: LocalMoment, calendar: Calendar) -> StreakState:
    """The state when no more is done until `now`: days that are over and were missed are forgiven, or end the streak.

    Yesterday is not over during the grace after midnight; today never is.
    """
    open_from = now.local_date - _DAY if now.is_in_grace else now.local_date
    return _missed(state, until=open_from, calendar=calendar)


def worked(state: StreakState, moment: LocalMoment, calendar: Calendar) -> StreakState:
    """The state after work at `moment`."""
    on = _day_of_work(state, moment, calendar)
    state = _missed(state, until=min(on, _on_the_old_clock(state, moment, on)), calendar=calendar)
    state = replace(state, last_on=on, last_offset_s=moment.offset_s)
    return _gained(state, on, moment.at)


def ends_on(state: StreakState, calendar: Calendar) -> date | None:
    """The first day whose missing would end the streak; None without one.

    It is over, and the streak with it, three hours after that day's end.
    """
    if state.days == 0 or state.last_on is None:
        return None
    day = state.last_on + _DAY
    while (state := _missed(state, until=day + _DAY, calendar=calendar)).days:
        day += _DAY
    return day


def _day_of_work(state: StreakState, moment: LocalMoment, calendar: Calendar) -> date:
    """The day that work counts for: its own, or the one before if that is still open and would be missed."""
    on, before = moment.local_date, moment.local_date - _DAY
    if state.last_on is None:
        return on
    is_open = moment.is_in_grace and state.last_on < before and not calendar.is_rest(before)
    # Only where a streak has lasted until then: one that ended earlier stays ended.
    if is_open and _missed(state, until=before, calendar=calendar).days:
        return before
    # Flying west a date comes twice; it is the same day of work.
    return max(on, state.last_on)


def _on_the_old_clock(state: StreakState, moment: LocalMoment, on: date) -> date:
    """The date of the work by the clock of the last one, but for summer time: flying east loses a date, not a day."""
    shift = timedelta(seconds=moment.offset_s - state.last_offset_s)
    if state.last_on is None or shift <= timedelta(hours=1):
        return on
    return (moment.at + timedelta(seconds=state.last_offset_s)).date()


def _missed(state: StreakState, *, until: date, calendar: Calendar) -> StreakState:
    """Account for the days after `last_on` and before `until`, none of which was worked on."""
    for day in _days_between(state.last_on, until):
        if state.days == 0:
            return state
        state = state if calendar.is_rest(day) else _frozen(state, day)
        state = replace(state, last_on=day)
    return state


def _days_between(last_on: date | None, until: date) -> Iterator[date]:
    if last_on is not None:
        yield from (last_on + number * _DAY for number in range(1, (until - last_on).days))


def _frozen(state: StreakState, day: date) -> StreakState:
    """Forgive one missed day, freely if there is a free freeze left; without any the streak ends."""
    if state.free_left(day) > 0:
        used_count = FREE_FREEZES_A_MONTH - state.free_left(day) + 1
        return replace(state, freeze_month=day.replace(day=1), free_used_count=used_count)
    if state.bought_count > 0:
        return replace(state, bought_count=state.bought_count - 1)
    return replace(state, days=0)


def _gained(state: StreakState, on: date, at: datetime) -> StreakState:
    if state.gained_on == on and state.days:
        return state
    if state.days and state.last_gain_at is not None and at < state.last_gain_at + MIN_GAIN_INTERVAL:
        return state
    days = state.days + 1
    return replace(state, days=days, longest_days=max(days, state.longest_days), gained_on=on, last_gain_at=at)
