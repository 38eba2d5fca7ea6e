"""Streaks: every failure of other systems that is known to us, and the laws that hold whatever anybody does.

The expected days are counted by hand on a calendar; March 2026 begins on a Sunday.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.arcade.domain.streaks import (
    Calendar,
    FreezeBought,
    RestDays,
    StreakState,
    Worked,
    after,
    ends_on,
    streak_of,
)
from shifty_pipelines.contexts.arcade.domain.zones import LocalMoment, checked_zone, moment_in, start_of_day
from shifty_pipelines.kernel.errors import InvalidValue

EVERY_DAY = Calendar((RestDays(date.min, frozenset()),))
BERLIN, NEW_YORK, TOKYO, LOS_ANGELES = "Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Los_Angeles"


def local(zone: str, text: str) -> LocalMoment:
    """The moment at which the clocks of `zone` show this; `text` is ISO without an offset."""
    showing = datetime.fromisoformat(text)
    return moment_in(
        zone, start_of_day(zone, showing.date()).replace(hour=showing.hour, minute=showing.minute).astimezone(UTC)
    )


def worked(zone: str, *texts: str) -> list[Worked]:
    return [Worked(moment=local(zone, text)) for text in texts]


def days(
    events: Sequence[Worked | FreezeBought], *, now: LocalMoment | None = None, calendar: Calendar = EVERY_DAY
) -> int:
    return streak_of(events, now=now or events[-1].moment, calendar=calendar).days


def test_the_first_work_is_a_streak_of_one() -> None:
    assert days(worked("UTC", "2026-03-02T09:00")) == 1


def test_twenty_three_hours_apart_on_two_days_are_two_days() -> None:
    assert days(worked("UTC", "2026-03-02T10:00", "2026-03-03T09:00")) == 2


def test_forty_seven_hours_apart_with_a_day_between_are_not_consecutive() -> None:
    state = streak_of(
        worked("UTC", "2026-03-02T10:00", "2026-03-04T09:00"), now=local("UTC", "2026-03-04T09:00"), calendar=EVERY_DAY
    )
    assert (state.days, state.free_left(date(2026, 3, 4))) == (2, 1)  # not 3, and the day between took a freeze


def test_utc_midnight_ends_nobodys_day_elsewhere() -> None:
    """18:30 and 20:30 in New York lie on two UTC days and on one of its own."""
    assert days(worked(NEW_YORK, "2026-03-02T18:30", "2026-03-02T20:30")) == 1
    # A UTC calendar would see the 3rd and the 5th here, and miss the 4th.
    events = worked(NEW_YORK, "2026-03-02T20:30", "2026-03-03T12:00", "2026-03-04T20:30")
    assert [event.moment.at.date().day for event in events] == [3, 3, 5]
    assert days(events) == 2  # the second came too soon to be gained, and kept its day
    assert days(worked(NEW_YORK, "2026-03-02T20:30", "2026-03-03T20:30", "2026-03-04T20:30")) == 3


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        pytest.param(BERLIN, "2026-03-28", 23, id="the clocks go forward"),
        pytest.param(BERLIN, "2026-10-24", 25, id="the clocks go back"),
        pytest.param(NEW_YORK, "2026-03-07", 23, id="forward, west of Greenwich"),
        pytest.param("Australia/Lord_Howe", "2026-04-04", 24.5, id="by half an hour"),
    ],
)
def test_a_day_of_23_or_25_hours_is_one_day(zone: str, first: str, hours: float) -> None:
    middle = date.fromisoformat(first) + timedelta(days=1)
    length = start_of_day(zone, middle + timedelta(days=1)).astimezone(UTC) - start_of_day(zone, middle).astimezone(UTC)
    assert length == timedelta(hours=hours)
    texts = [f"{date.fromisoformat(first) + timedelta(days=number)}T09:00" for number in range(3)]
    assert days(worked(zone, *texts)) == 3


def test_travelling_west_a_date_that_comes_twice_is_one_day() -> None:
    tokyo, los_angeles = worked(TOKYO, "2026-03-02T20:00"), worked(LOS_ANGELES, "2026-03-02T18:00")
    assert tokyo[0].moment.at < los_angeles[0].moment.at
    assert days([*tokyo, *los_angeles]) == 1
    # And one that goes back is no earlier day: Tuesday 04:00 in Tokyo, Monday 18:00 in Los Angeles, Wednesday there.
    back = [*worked(TOKYO, "2026-03-03T04:00"), *worked(LOS_ANGELES, "2026-03-02T18:00", "2026-03-04T18:00")]
    state = streak_of(back, now=back[-1].moment, calendar=EVERY_DAY)
    assert (state.days, state.free_left(date(2026, 3, 4))) == (2, 2)


def test_travelling_east_the_date_that_is_lost_is_not_missed() -> None:
    """Monday 20:00 in Los Angeles is Tuesday 13:00 in Tokyo; 20 hours later it is Wednesday there."""
    events = [*worked(LOS_ANGELES, "2026-03-02T20:00"), *worked(TOKYO, "2026-03-04T09:30")]
    state = streak_of(events, now=events[-1].moment, calendar=EVERY_DAY)
    assert (state.days, state.free_left(date(2026, 3, 4))) == (2, 2)


def test_a_negative_offset_fills_its_days() -> None:
    texts = [f"2026-03-{day:02}T19:00" for day in range(2, 9)]
    events = worked("Pacific/Marquesas", *texts)
    assert events[0].moment.offset_s == -34_200
    assert days(events) == 7


def test_two_days_are_never_gained_within_twenty_hours() -> None:
    """A minute before midnight and a minute after; the second day is kept, so nothing breaks, but not gained."""
    late_and_early = worked("UTC", "2026-03-02T23:59", "2026-03-03T03:01")
    assert days(late_and_early) == 1
    assert days([*late_and_early, *worked("UTC", "2026-03-03T19:58")]) == 1
    assert days([*late_and_early, *worked("UTC", "2026-03-03T19:59")]) == 2
    assert days([*late_and_early, *worked("UTC", "2026-03-04T08:00")]) == 2


def test_changing_the_zone_at_midnight_gains_no_day() -> None:
    events = [*worked(LOS_ANGELES, "2026-03-02T20:00"), *worked("Pacific/Kiritimati", "2026-03-03T18:05")]
    assert events[1].moment.at - events[0].moment.at == timedelta(minutes=5)
    assert days(events) == 1


def test_until_three_in_the_night_work_fills_the_day_before() -> None:
    events = worked("UTC", "2026-03-02T09:00", "2026-03-04T02:59")
    state = streak_of(events, now=events[-1].moment, calendar=EVERY_DAY)
    assert (state.days, state.free_left(date(2026, 3, 4)), state.last_on) == (2, 2, date(2026, 3, 3))
    events = worked("UTC", "2026-03-02T09:00", "2026-03-04T03:00")
    state = streak_of(events, now=events[-1].moment, calendar=EVERY_DAY)
    assert (state.days, state.free_left(date(2026, 3, 4)), state.last_on) == (2, 1, date(2026, 3, 4))


def test_yesterday_is_not_missed_before_three_in_the_night() -> None:
    events = worked("UTC", *(f"2026-03-{day:02}T09:00" for day in (2, 3, 4)))
    spent = [*events, *worked("UTC", "2026-03-06T09:00", "2026-03-08T09:00")]  # the 5th and the 7th took both freezes
    assert days(spent, now=local("UTC", "2026-03-10T02:59")) == 5
    assert days(spent, now=local("UTC", "2026-03-10T03:00")) == 0


def test_who_works_every_night_at_one_has_a_day_for_every_night() -> None:
    assert days(worked("UTC", *(f"2026-03-{day:02}T01:00" for day in range(2, 12)))) == 10


def test_two_missed_days_of_a_month_are_forgiven_and_the_third_is_not() -> None:
    events = worked("UTC", "2026-03-02T09:00")
    alive = [days(events, now=local("UTC", f"2026-03-{day:02}T12:00")) for day in range(2, 8)]
    assert alive == [1, 1, 1, 1, 0, 0]  # the 3rd and the 4th are frozen, the 5th is over on the 6th


def test_a_new_month_brings_two_freezes() -> None:
    events = worked("UTC", "2026-03-28T09:00")  # missed: 29, 30 | 1, 2
    events += worked("UTC", "2026-03-31T09:00", "2026-04-03T09:00")
    assert days(events) == 3
    assert days([*events, *worked("UTC", "2026-04-05T09:00")]) == 1  # 4 April is a third one


def test_weekends_of_the_tenants_calendar_break_nothing_and_cost_nothing() -> None:
    weekdays = worked("UTC", "2026-03-05T09:00", "2026-03-06T09:00", "2026-03-09T09:00")  # Thursday, Friday, Monday
    state = streak_of(weekdays, now=weekdays[-1].moment, calendar=Calendar())
    assert (state.days, state.free_left(date(2026, 3, 9))) == (3, 2)
    assert streak_of(weekdays, now=weekdays[-1].moment, calendar=EVERY_DAY).free_left(date(2026, 3, 9)) == 0
    assert days(worked("UTC", "2026-03-06T09:00", "2026-03-07T09:00"), calendar=Calendar()) == 2  # working counts


def test_a_change_of_the_calendar_makes_no_past_day_a_missed_one() -> None:
    weekdays = worked("UTC", "2026-03-06T09:00", "2026-03-09T09:00")
    changed = Calendar((RestDays(date.min, frozenset({6, 7})), RestDays(date(2026, 3, 10), frozenset())))
    state = streak_of(weekdays, now=local("UTC", "2026-03-10T09:00"), calendar=changed)
    assert (state.days, state.free_left(date(2026, 3, 10))) == (2, 2)
    assert not changed.is_rest(date(2026, 3, 14))
    assert changed.is_rest(date(2026, 3, 7))


def test_a_bought_freeze_is_used_after_the_free_ones() -> None:
    bought = FreezeBought(moment=local("UTC", "2026-03-02T10:00"))
    state = streak_of(
        [*worked("UTC", "2026-03-02T09:00"), bought], now=local("UTC", "2026-03-05T12:00"), calendar=EVERY_DAY
    )
    assert (state.days, state.bought_count) == (1, 1)
    assert days([*worked("UTC", "2026-03-02T09:00"), bought], now=local("UTC", "2026-03-06T12:00")) == 1
    assert days([*worked("UTC", "2026-03-02T09:00"), bought], now=local("UTC", "2026-03-07T12:00")) == 0


def test_a_freeze_bought_afterwards_repairs_nothing() -> None:
    bought = FreezeBought(moment=local("UTC", "2026-03-08T10:00"))
    state = streak_of([*worked("UTC", "2026-03-02T09:00"), bought], now=bought.moment, calendar=EVERY_DAY)
    assert (state.days, state.bought_count) == (0, 1)


def test_an_ended_streak_begins_again_at_one_and_the_longest_is_kept() -> None:
    events = worked("UTC", *(f"2026-03-{day:02}T09:00" for day in (2, 3, 4, 20)))
    state = streak_of(events, now=events[-1].moment, calendar=EVERY_DAY)
    assert (state.days, state.longest_days) == (1, 3)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "UTC+25", "../etc/passwd", "europe/berlin "])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="IANA time zone"):
        checked_zone(name)


# ---------------------------------------------------------------------------------------------------------------- laws
ZONES = st.sampled_from(["UTC", BERLIN, NEW_YORK, TOKYO, LOS_ANGELES, "Pacific/Kiritimati", "Pacific/Niue"])
START = datetime(2026, 3, 1, tzinfo=UTC)
CALENDARS = st.sets(st.integers(1, 7), max_size=5).map(lambda rest: Calendar((RestDays(date.min, frozenset(rest)),)))


@st.composite
def lives(draw: st.DrawFn, *, zone: st.SearchStrategy[str] = ZONES) -> list[Worked | FreezeBought]:
    """Events at rising moments over some weeks, around the change of the clocks, wherever somebody is."""
    gaps = draw(st.lists(st.integers(1, 60 * 60), min_size=1, max_size=25))
    at, events = START, []
    for minutes in gaps:
        at += timedelta(minutes=minutes)
        kind = FreezeBought if draw(st.integers(0, 9)) == 0 else Worked
        events.append(kind(moment=moment_in(draw(zone), at)))
    return events


@given(events=lives(), calendar=CALENDARS)
def test_folding_event_by_event_is_working_it_out_at_once(
    events: list[Worked | FreezeBought], calendar: Calendar
) -> None:
    state = StreakState()
    for number, event in enumerate(events):
        state = after(state, event, calendar)
        assert streak_of(events[: number + 1], now=event.moment, calendar=calendar) == state


@given(events=lives(), calendar=CALENDARS)
def test_no_two_days_are_gained_within_twenty_hours(events: list[Worked | FreezeBought], calendar: Calendar) -> None:
    state, gains = StreakState(), []
    for event in events:
        before, state = state, after(state, event, calendar)
        if state.last_gain_at != before.last_gain_at:
            gains.append(state.last_gain_at)
    assert all(later - earlier >= timedelta(hours=20) for earlier, later in pairwise(gains))


@given(events=lives(), calendar=CALENDARS)
def test_a_streak_is_never_longer_than_the_days_that_passed_nor_than_the_longest(
    events: list[Worked | FreezeBought], calendar: Calendar
) -> None:
    state = streak_of(events, now=events[-1].moment, calendar=calendar)
    elapsed = events[-1].moment.at - events[0].moment.at
    assert 0 <= state.days <= state.longest_days <= elapsed / timedelta(hours=20) + 1


def counted_on_a_calendar(dates: set[date]) -> int:
    """The reference: day by day with paper and pencil; two misses of a month are forgiven, the third ends the run."""
    length, frozen = 0, dict.fromkeys(((2026, month) for month in range(1, 13)), 0)
    day = min(dates)
    while day <= max(dates):
        if day in dates:
            length += 1
        elif length and frozen[day.year, day.month] < 2:
            frozen[day.year, day.month] += 1
        else:
            length = 0
        day += timedelta(days=1)
    return length


@given(offsets=st.sets(st.integers(0, 80), min_size=1))
def test_in_one_zone_at_noon_a_streak_is_what_a_calendar_on_the_wall_says(offsets: set[int]) -> None:
    dates = {date(2026, 3, 1) + timedelta(days=offset) for offset in offsets}
    events = worked(BERLIN, *(f"{day}T12:00" for day in sorted(dates)))
    assert days(events) == counted_on_a_calendar(dates)


@given(events=lives(), calendar=CALENDARS, later_days=st.integers(0, 20))
def test_a_streak_lasts_exactly_as_long_as_it_is_said_to(
    events: list[Worked | FreezeBought], calendar: Calendar, later_days: int
) -> None:
    state = streak_of(events, now=events[-1].moment, calendar=calendar)
    last_day = ends_on(state, calendar)
    assert (last_day is None) == (state.days == 0)
    zone = events[-1].moment.zone
    now = moment_in(
        zone, start_of_day(zone, events[-1].moment.local_date + timedelta(days=later_days)) + timedelta(hours=23)
    )
    is_alive = streak_of(events, now=now, calendar=calendar).days > 0
    assert is_alive == (last_day is not None and now.local_date <= last_day)


def test_a_moment_is_the_same_however_it_is_written() -> None:
    late = start_of_day(BERLIN, date(2026, 3, 8)) + timedelta(hours=23)
    assert moment_in(BERLIN, late) == moment_in(BERLIN, late.astimezone(UTC))
    assert moment_in(BERLIN, late).is_in_grace is False
