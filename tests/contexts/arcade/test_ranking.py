"""Leaderboards: true windows, ties to the earlier, you among your neighbours, and nobody shown as they do not want."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from shifty_pipelines.contexts.arcade.domain.boards import Board
from shifty_pipelines.contexts.arcade.domain.profiles import BoardView, Visibility
from shifty_pipelines.contexts.arcade.errors import LeaderboardOff, ProfilePrivate, ZoneChangedLately
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import Role, UserId
from tests.contexts.arcade.stage import Stage, person
from tests.contexts.arcade.test_deciding import decide, deployment, report, say


def look(
    stage: Stage, board: Board = Board.XP_ALL_TIME, *, as_user: UserId | None = None, limit: int = 10
) -> BoardView:
    with stage.arcade(as_user or person()) as arcade:
        return arcade.leaderboard(board, limit=limit)


def standing(view: BoardView) -> list[tuple[int, UserId | None, float]]:
    return [(entry.rank, entry.user_id, entry.score) for entry in view.top]


def answer(stage: Stage, labeler: UserId, *, times: int = 1, label: str = "timeout", **wanted: object) -> None:
    for _ in range(times):
        stage.settle(stage.answered_mission({labeler: label}, **wanted), "timeout")


def crowd(stage: Stage, xps: Sequence[int]) -> list[UserId]:
    """Labelers with one right answer each, for this many XP, in the order of time."""
    people = [person() for _ in xps]
    for labeler, xp in zip(people, xps, strict=True):
        answer(stage, labeler, xp_reward=xp)
        stage.wait(seconds=1)
    return people


def calendar(stage: Stage, **change: object) -> None:
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        arcade.change_calendar(**{"zone": None, "rest_weekdays": None, "has_leaderboard": None, **change})


def test_a_board_is_ordered_by_score_and_of_equals_the_earlier_is_first(stage: Stage) -> None:
    low, early, late, high = crowd(stage, [40, 50, 50, 60])
    view = look(stage)
    assert standing(view) == [(1, high, 60), (2, early, 50), (3, late, 50), (4, low, 40)]
    assert (view.as_of, view.window.ends_on) == (stage.clock.now(), None)


def test_who_catches_up_later_stays_behind(stage: Stage) -> None:
    first, second = crowd(stage, [50, 40])
    answer(stage, second, xp_reward=40)
    stage.wait(seconds=1)
    answer(stage, first, label="assertion")  # wrong: moves nothing, and costs no place
    answer(stage, person(), xp_reward=60)
    assert standing(look(stage))[0] == (1, second, 80)
    stage.wait(seconds=1)
    third = crowd(stage, [50])[0]
    assert [entry.user_id for entry in look(stage).top][2:] == [first, third]


def test_windows_are_those_of_the_calendar_in_the_tenants_own_zone(stage: Stage) -> None:
    calendar(stage, zone="Pacific/Auckland")
    labeler = person()
    answer(stage, labeler)  # Monday 12:00 UTC is Tuesday 01:00 in Auckland
    expected = {Board.XP_DAILY: date(2026, 3, 3), Board.XP_WEEKLY: date(2026, 3, 2), Board.XP_MONTHLY: date(2026, 3, 1)}
    assert {board: look(stage, board).window.starts_on for board in expected} == expected
    seen = {board: len(look(stage, board).top) for board in expected}
    stage.wait(hours=22)  # Tuesday 23:00 there
    assert seen == {board: len(look(stage, board).top) for board in expected} == dict.fromkeys(expected, 1)
    stage.wait(hours=1)
    assert [len(look(stage, board).top) for board in expected] == [0, 1, 1]
    stage.wait(days=6)  # the next week
    assert [len(look(stage, board).top) for board in expected] == [0, 0, 1]
    stage.wait(days=31)
    assert [len(look(stage, board).top) for board in expected] == [0, 0, 0]
    assert len(look(stage).top) == 1


def test_one_sees_oneself_with_five_above_and_five_below(stage: Stage) -> None:
    people = crowd(stage, [40 + number for number in range(16)])
    me = people[8]
    view = look(stage, as_user=me, limit=3)
    assert [entry.score for entry in view.top] == [55, 54, 53]
    assert view.own_rank == 8
    assert [(entry.rank, entry.score, entry.is_you) for entry in view.around] == [
        (rank, 56 - rank, rank == 8) for rank in range(3, 14)
    ]
    assert [entry.rank for entry in look(stage, as_user=people[15]).around] == [1, 2, 3, 4, 5, 6]
    assert [entry.rank for entry in look(stage, as_user=people[0]).around] == [11, 12, 13, 14, 15, 16]
    stranger = look(stage, as_user=person())
    assert (stranger.own_rank, list(stranger.around)) == (None, [])


def test_missions_count_when_they_are_settled_as_answered(stage: Stage) -> None:
    labeler = person()
    answer(stage, labeler, times=2)
    answer(stage, labeler, label="assertion")
    stage.answered_mission({labeler: "timeout"})
    assert standing(look(stage, Board.MISSIONS_WEEKLY)) == [(1, labeler, 2)]


def test_accuracy_ranks_by_its_lower_bound_from_twenty_answers_on(stage: Stage) -> None:
    many, few = person(), person()
    answer(stage, few, times=19)
    assert standing(look(stage, Board.ACCURACY)) == []
    answer(stage, few)
    answer(stage, many, times=40)
    ranked = look(stage, Board.ACCURACY).top
    assert [entry.user_id for entry in ranked] == [many, few]
    # Both were always right: n / (n + z^2) is Wilson's bound then.
    assert [entry.score for entry in ranked] == pytest.approx([40 / 43.8415, 20 / 23.8415], abs=1e-4)


def test_the_streak_board_forgets_a_streak_that_is_over(stage: Stage) -> None:
    labeler, other = person(), person()
    for _ in range(3):
        stage.answered_mission({labeler: "timeout"})
        stage.wait(days=1)
    stage.answered_mission({other: "timeout"})
    assert standing(look(stage, Board.STREAK)) == [(1, labeler, 3), (2, other, 1)]
    stage.wait(days=14)
    assert standing(look(stage, Board.STREAK)) == []
    assert stage.profile(labeler).longest_streak == 3
    with stage.arcade(labeler) as arcade:
        assert arcade.game.state(labeler) == arcade.game.recomputed(labeler)


def test_a_streak_leaves_its_board_by_the_clock_that_its_labeler_has_now(stage: Stage) -> None:
    """Monday's streak outlives Tuesday and Wednesday by freezes, and ends with Thursday, at three in the night."""
    stays, moves = person(), person()
    for labeler in (stays, moves):
        stage.answered_mission({labeler: "timeout"})
    stage.wait(hours=48)
    stage.change(moves, zone="Asia/Tokyo")
    stage.wait(hours=29, minutes=59)  # Thursday, 17:59, is 02:59 on Friday in Tokyo
    assert len(look(stage, Board.STREAK).top) == 2
    stage.wait(minutes=1)
    assert standing(look(stage, Board.STREAK)) == [(1, stays, 1)]
    stage.wait(hours=9)  # Friday, 03:00
    assert standing(look(stage, Board.STREAK)) == []


def test_a_streak_leaves_its_board_by_the_calendar_that_holds_now(stage: Stage) -> None:
    calendar(stage, rest_weekdays=[1, 2, 3, 4, 5, 6])
    stage.answered_mission({person(): "timeout"})  # would outlive two Sundays
    stage.wait(days=1)
    calendar(stage, rest_weekdays=[])
    stage.wait(hours=62)  # Friday, 02:00
    assert len(look(stage, Board.STREAK).top) == 1
    stage.wait(hours=1)
    assert len(look(stage, Board.STREAK).top) == 0


def test_approving_releases_counts_on_no_board(stage: Stage) -> None:
    mission_id, people = deployment(stage), [person(), person()]
    for labeler in people:
        say(stage, mission_id, labeler, "approve")
    decide(stage, mission_id)
    report(stage, mission_id, "good")
    assert [stage.profile(labeler).xp for labeler in people] == [300, 300]
    assert [standing(look(stage, board)) for board in (Board.XP_ALL_TIME, Board.MISSIONS_DAILY)] == [[], []]


def test_who_hides_is_on_no_board_and_ranks_nobody_down(stage: Stage) -> None:
    high, me = crowd(stage, [60, 50])
    stage.change(high, visibility=Visibility.HIDDEN)
    assert standing(look(stage, as_user=me)) == [(1, me, 50)]
    assert stage.query("SELECT count(*) FROM leaderboard_scores WHERE labeler_id = :u", u=high) == [(0,)]
    answer(stage, high, xp_reward=60)
    assert look(stage, as_user=me).own_rank == 1
    assert look(stage, as_user=high).own_rank is None


def test_who_comes_back_has_all_that_the_ledger_says(stage: Stage) -> None:
    labeler = person()
    answer(stage, labeler, times=2)
    before = stage.query("SELECT board, starts_on, score FROM leaderboard_scores ORDER BY 1, 2")
    stage.change(labeler, visibility=Visibility.HIDDEN)
    answer(stage, labeler)
    stage.change(labeler, visibility=Visibility.NAMED)
    after = {(row.board, row.starts_on): row.score for row in stage.query("SELECT * FROM leaderboard_scores")}
    # Three right answers, and the day's challenge of 15 XP.
    assert {key: score for key, score in after.items() if key[0].startswith("xp")} == {
        (row.board, row.starts_on): 165 for row in before if row.board.startswith("xp")
    }
    assert after["missions_all_time", date(1970, 1, 1)] == 3


def test_a_pseudonym_names_nobody_anywhere_and_is_a_new_one_each_time(stage: Stage) -> None:
    labeler = crowd(stage, [60])[0]
    names = []
    for _ in range(2):
        stage.change(labeler, visibility=Visibility.PSEUDONYM)
        (entry,) = look(stage).top
        assert (entry.user_id, entry.badges, str(labeler)[:8] in entry.display_name) == (None, [], False)
        names.append(entry.display_name)
        with stage.arcade(person()) as arcade, pytest.raises(ProfilePrivate):
            arcade.profile(labeler)
        with stage.arcade(person()) as arcade:
            (contributor,) = arcade.figures(None, None).top_contributors
        assert (contributor.user_id, contributor.display_name) == (None, entry.display_name)
        stage.change(labeler, visibility=Visibility.NAMED)
    assert names[0] != names[1]


def test_hiding_while_being_paid_leaves_no_trace(stage: Stage) -> None:
    """Whichever comes first: who has hidden has no score."""
    for _ in range(5):
        labeler = person()
        missions = [stage.answered_mission({labeler: "timeout"}) for _ in range(4)]
        with ThreadPoolExecutor(5) as pool:
            pending = [pool.submit(stage.settle, mission_id) for mission_id in missions]
            pool.submit(stage.change, labeler, visibility=Visibility.HIDDEN).result()
            [one.result() for one in pending]
        assert stage.query("SELECT count(*) FROM leaderboard_scores WHERE labeler_id = :u", u=labeler) == [(0,)]


def test_a_tenant_may_have_no_boards(stage: Stage) -> None:
    calendar(stage, has_leaderboard=False)
    with pytest.raises(LeaderboardOff):
        look(stage)


def test_a_zone_changes_once_in_seven_days_and_only_to_one_that_exists(stage: Stage) -> None:
    labeler = person()
    assert stage.change(labeler, zone="Asia/Tokyo").time_zone == "Asia/Tokyo"
    with pytest.raises(ZoneChangedLately, match="2026-03-09"):
        stage.change(labeler, zone="Europe/Berlin")
    stage.wait(days=7)
    with pytest.raises(InvalidValue, match="Mars/Olympus"):
        stage.change(labeler, zone="Mars/Olympus")
    assert stage.change(labeler, zone="Europe/Berlin").time_zone == "Europe/Berlin"


def test_the_moment_of_an_answer_is_frozen_with_the_zone_of_then(stage: Stage) -> None:
    labeler = person()
    stage.change(labeler, zone="Asia/Tokyo")
    stage.wait(hours=6)  # 18:00 UTC
    stage.answered_mission({labeler: "timeout"})
    stage.wait(days=7)
    stage.change(labeler, zone="America/New_York")
    stage.answered_mission({labeler: "timeout"})
    assert stage.query("SELECT local_date, zone, offset_s FROM labeler_work ORDER BY occurred_at") == [
        (date(2026, 3, 3), "Asia/Tokyo", 32_400),
        (date(2026, 3, 9), "America/New_York", -14_400),  # summer time began the day before
    ]


def test_figures_are_those_of_the_period_and_of_no_other(stage: Stage) -> None:
    labeler, other = person(), person()
    answer(stage, labeler, times=2)
    stage.wait(days=10)
    answer(stage, other)
    stage.mission()
    with stage.arcade(labeler) as arcade:
        first = arcade.figures(date(2026, 3, 1), date(2026, 3, 2))
        second = arcade.figures(date(2026, 3, 3), date(2026, 3, 12))
    assert (first.active_users, first.missions_completed, first.samples_generated, first.missions_available) == (
        1,
        2,
        2,
        0,
    )
    assert (second.active_users, second.missions_completed, second.samples_generated, second.missions_available) == (
        1, 1, 1, 1,
    )  # fmt: skip
    assert [(one.user_id, one.contributions) for one in first.top_contributors] == [(labeler, 2)]
    assert (first.total_users, first.average_accuracy) == (2, None)
    assert (first.period_start.isoformat(), first.period_end.isoformat()) == (
        "2026-03-01T00:00:00+00:00",
        "2026-03-03T00:00:00+00:00",
    )


def test_a_period_that_ends_before_it_starts_is_refused(stage: Stage) -> None:
    with stage.arcade(person()) as arcade, pytest.raises(InvalidValue, match="end is '2026-03-01'"):
        arcade.figures(date(2026, 3, 2), date(2026, 3, 1))
