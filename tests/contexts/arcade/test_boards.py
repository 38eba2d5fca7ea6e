"""Windows and bounds of leaderboards; Wilson's interval against a published table and another implementation."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from shifty_pipelines.contexts.arcade.domain.boards import (
    Board,
    Period,
    Window,
    shown_accuracy,
    wilson_lower_bound,
    window_of,
)

#: The boards that existing clients ask for.
KNOWN = {"xp_all_time", "xp_weekly", "xp_monthly", "missions_all_time", "missions_weekly", "accuracy", "streak"}


def test_every_board_that_clients_know_is_there() -> None:
    assert {board.value for board in Board} >= KNOWN
    assert (Board.MISSIONS_WEEKLY.measure, Board.MISSIONS_WEEKLY.period) == ("missions", "weekly")
    assert (Board.ACCURACY.measure, Board.ACCURACY.period) == ("accuracy", "all_time")


@pytest.mark.parametrize(
    ("period", "day", "window"),
    [
        pytest.param(Period.DAILY, "2026-12-31", ("2026-12-31", "2027-01-01"), id="the last day of a year"),
        pytest.param(Period.WEEKLY, "2026-03-01", ("2026-02-23", "2026-03-02"), id="a Sunday ends its week"),
        pytest.param(Period.WEEKLY, "2026-03-02", ("2026-03-02", "2026-03-09"), id="a Monday begins one"),
        pytest.param(Period.WEEKLY, "2027-01-02", ("2026-12-28", "2027-01-04"), id="a week of two years"),
        pytest.param(Period.MONTHLY, "2028-02-29", ("2028-02-01", "2028-03-01"), id="a leap day"),
        pytest.param(Period.MONTHLY, "2026-12-31", ("2026-12-01", "2027-01-01"), id="December"),
    ],
)
def test_a_window_is_the_calendars(period: Period, day: str, window: tuple[str, str]) -> None:
    assert window_of(period, date.fromisoformat(day)) == Window(*map(date.fromisoformat, window))


@given(day=st.dates(date(1990, 1, 1), date(2100, 1, 1)), period=st.sampled_from(list(Period)))
def test_every_day_lies_in_its_window_and_all_days_of_a_window_have_the_same(day: date, period: Period) -> None:
    window = window_of(period, day)
    assert window.starts_on <= day
    assert window.ends_on is None or day < window.ends_on
    assert window_of(period, window.starts_on) == window


@given(counts=st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_bound_is_scipys(counts: tuple[int, int]) -> None:
    right, answered = counts
    expected = binomtest(right, answered).proportion_ci(0.95, method="wilson").low
    assert wilson_lower_bound(right, answered) == pytest.approx(expected, abs=1e-12)


def test_many_good_answers_rank_above_few_perfect_ones() -> None:
    # Newcombe (1998), table I, case 1: 81 of 263 has the interval 0.2553 to 0.3662.
    assert wilson_lower_bound(81, 263) == pytest.approx(0.2553, abs=5e-5)
    assert wilson_lower_bound(195, 200) > wilson_lower_bound(20, 20) > 0.8
    assert wilson_lower_bound(0, 0) == 0


def test_no_share_is_shown_of_fewer_than_twenty_answers() -> None:
    assert (shown_accuracy(19, 19), shown_accuracy(19, 20)) == (None, 0.95)
