"""Badges and daily challenges: each reachable, each given once, each gone with the answer that alone earned it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from shifty_pipelines.contexts.arcade.domain.badges import BADGES, Deeds, earned_badges
from shifty_pipelines.contexts.arcade.domain.challenges import CHALLENGES, challenge_on
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.kernel.tenant import UserId
from tests.contexts.arcade.stage import Stage, person

#: Ids and thresholds verbatim from the specification, rarities from existing clients.
SPECIFIED = {
    "first_mission": ({"completed_count": 1}, {"completed_count": 0}, "common"),
    "ten_missions": ({"completed_count": 10}, {"completed_count": 9}, "uncommon"),
    "hundred_missions": ({"completed_count": 100}, {"completed_count": 99}, "epic"),
    "week_streak": ({"longest_streak_days": 7}, {"longest_streak_days": 6}, "uncommon"),
    "month_streak": ({"longest_streak_days": 30}, {"longest_streak_days": 29}, "rare"),
    "high_accuracy": ({"settled_count": 20, "right_count": 19}, {"settled_count": 40, "right_count": 37}, "rare"),
    "level_10": ({"level": 10}, {"level": 9}, "uncommon"),
}


def test_the_badges_are_those_of_the_specification() -> None:
    assert {badge.id: badge.rarity for badge in BADGES} == {name: rarity for name, (_, _, rarity) in SPECIFIED.items()}


@pytest.mark.parametrize(("badge", "enough", "not_enough"), [(name, a, b) for name, (a, b, _) in SPECIFIED.items()])
def test_a_badge_is_earned_at_its_threshold_and_not_before(
    badge: str, enough: dict[str, int], not_enough: dict[str, int]
) -> None:
    assert badge in earned_badges(Deeds(**enough))
    assert badge not in earned_badges(Deeds(**not_enough))


def test_few_answers_earn_no_accuracy_however_right_they_are() -> None:
    assert earned_badges(Deeds(settled_count=19, right_count=19)) == []


def answer(stage: Stage, labeler: UserId, *, times: int = 1) -> None:
    for _ in range(times):
        stage.settle(stage.answered_mission({labeler: "timeout"}), "timeout")


def test_badges_for_missions_come_with_the_answer_and_stay_the_same_when_it_is_repeated(stage: Stage) -> None:
    labeler = person()
    mission_id = stage.mission(slot_count=1)
    stage.assign(mission_id, labeler)
    assert [stage.complete(mission_id, labeler).new_badges for _ in range(2)] == [["first_mission"]] * 2
    stage.wait(minutes=1)
    for _ in range(9):
        stage.answered_mission({labeler: "timeout"})
    assert list(stage.profile(labeler).badges) == ["first_mission", "ten_missions"]
    events = stage.query(
        "SELECT payload ->> 'badge' FROM outbox_events WHERE type = 'arcade.badge_awarded' ORDER BY occurred_at"
    )
    assert events == [("first_mission",), ("ten_missions",)]


def test_an_answer_that_is_taken_back_takes_its_badge_and_its_day_along(stage: Stage) -> None:
    labeler, mission_id = person(), stage.mission(slot_count=1)
    token = stage.assign(mission_id, labeler).fencing_token
    assert token is not None
    stage.complete(mission_id, labeler)
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).badges) == (1, ("first_mission",))
    stage.undo(mission_id, labeler, token)
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).badges) == (0, ())


def test_an_answer_that_is_taken_back_takes_no_older_badge_along(stage: Stage) -> None:
    labeler = person()
    stage.answered_mission({labeler: "timeout"})
    stage.wait(minutes=1)
    mission_id = stage.mission(slot_count=1)
    token = stage.assign(mission_id, labeler).fencing_token
    assert token is not None
    stage.complete(mission_id, labeler)
    stage.undo(mission_id, labeler, token)
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).badges) == (1, ("first_mission",))


def test_a_week_and_a_month_of_work_earn_their_badges(stage: Stage) -> None:
    labeler, seen = person(), {}
    for day in range(1, 31):
        stage.answered_mission({labeler: "timeout"})
        seen[day] = set(stage.profile(labeler).badges)
        stage.wait(days=1)
    assert min(day for day in seen if "week_streak" in seen[day]) == 7
    assert [day for day in seen if "month_streak" in seen[day]] == [30]


def test_twenty_right_answers_make_an_expert_of_their_type(stage: Stage) -> None:
    labeler = person()
    answer(stage, labeler, times=19)
    assert stage.profile(labeler).expertise_areas == ()
    answer(stage, labeler)
    assert stage.profile(labeler).expertise_areas == (MissionType.CLASSIFY_ERROR,)


def test_challenges_take_turns() -> None:
    days = [date(2026, 3, day) for day in range(2, 8)]
    assert [challenge_on(day).right_count for day in days] == [3, 5, 10, 3, 5, 10]
    assert len(CHALLENGES) == 3


def test_a_challenge_is_paid_once_with_the_answer_that_completes_it(stage: Stage) -> None:
    labeler = person()
    mission_ids = [stage.answered_mission({labeler: "timeout"}) for _ in range(6)]
    for mission_id in mission_ids[:2]:
        stage.settle(mission_id)
    stage.settle(stage.answered_mission({labeler: "assertion"}), "timeout")  # wrong: counts nothing
    with stage.arcade(labeler) as arcade:
        view = arcade.challenge_today(labeler_id=labeler)
    assert (view.right_count, view.challenge.right_count, view.is_paid) == (2, 3, False)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stage.settle, mission_ids[2:]))
    with stage.arcade(labeler) as arcade:
        assert arcade.challenge_today(labeler_id=labeler).is_paid is True
    assert stage.query("SELECT xp, coins, reason FROM xp_ledger WHERE kind = 'bonus'") == [(15, 5, "warm_up")]


def test_an_answer_counts_for_the_day_it_was_given_on_not_settled_on(stage: Stage) -> None:
    labeler = person()
    mission_ids = [stage.answered_mission({labeler: "timeout"}) for _ in range(3)]
    stage.wait(days=1)
    for mission_id in mission_ids:
        stage.settle(mission_id)
    assert stage.query("SELECT xp, reason FROM xp_ledger WHERE kind = 'bonus'") == [(15, "warm_up")]
    with stage.arcade(labeler) as arcade:
        assert arcade.challenge_today(labeler_id=labeler).right_count == 0
