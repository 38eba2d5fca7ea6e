"""The eight defects of the earlier implementation, each as the test that it would have failed.

1 two labelers assigned one place · 2 completing again for more XP · 3 XP lost between reading and writing · 4 half a
completion · 5 days of 86,400 seconds · 6 an accuracy that nobody computes · 7 abandoned missions that stay assigned
· 8 one labeler where three were asked for.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import IntegrityError

from shifty_pipelines.contexts.arcade.domain.missions import Answer
from shifty_pipelines.contexts.arcade.errors import AnsweredDifferently, NotOffered
from shifty_pipelines.kernel.tenant import Role, UserId
from tests.contexts.arcade.stage import Stage, person


def test_defect_1_of_many_who_assign_themselves_at_once_only_as_many_as_there_are_slots_get_one(stage: Stage) -> None:
    mission_id, people = stage.mission(slot_count=2), [person() for _ in range(12)]

    def try_to_assign(labeler: UserId) -> int:
        try:
            stage.assign(mission_id, labeler)
        except NotOffered:
            return 0
        return 1

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(try_to_assign, people)) == 2
    assert stage.query("SELECT count(*) FROM mission_slots WHERE state = 'leased'") == [(2,)]


def test_defect_2_completing_again_pays_nothing_more(stage: Stage) -> None:
    labeler, mission_id = person(), stage.mission(slot_count=1)
    stage.assign(mission_id, labeler)
    for _ in range(5):
        assert stage.complete(mission_id, labeler, "timeout").xp_pending == 50
    stage.settle(mission_id)
    for _ in range(5):
        stage.complete(mission_id, labeler, "timeout")
        stage.settle(mission_id)
    with pytest.raises(AnsweredDifferently):
        stage.complete(mission_id, labeler, "assertion")
    assert (stage.profile(labeler).xp, stage.profile(labeler).total_missions_completed) == (50, 1)


def test_defect_3_no_xp_is_lost_when_two_settlements_pay_at_once(stage: Stage) -> None:
    labeler = person()
    mission_ids = [stage.answered_mission({labeler: "timeout"}) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(stage.settle, mission_ids))
    assert stage.profile(labeler).xp == 100
    assert stage.query("SELECT score FROM leaderboard_scores WHERE board = 'xp_all_time'") == [(100,)]


def test_defect_4_a_completion_that_fails_at_its_last_statement_leaves_nothing(stage: Stage) -> None:
    labeler, mission_id = person(), stage.mission(slot_count=1)
    stage.assign(mission_id, labeler)
    before = counts(stage)
    with pytest.raises(IntegrityError, match="xp_ledger_assignment"):
        complete_and_promise_twice(stage, mission_id, labeler)
    assert counts(stage) == before
    assert stage.view(mission_id, labeler).status == "assigned"


def complete_and_promise_twice(stage: Stage, mission_id: uuid.UUID, labeler: UserId) -> None:
    """A second promise for the same assignment is impossible, and takes everything before it along."""
    with stage.arcade(labeler) as arcade:
        arcade.complete(mission_id, Answer(label="timeout"), labeler_id=labeler, item_key_slot=0)
        (slot,) = arcade.repository.own_slots(mission_id, labeler)
        arcade.repository.add_entries([arcade._entry(slot, "pending", 1, 0)])


def counts(stage: Stage) -> list[int]:
    tables = ("xp_ledger", "labeler_work", "labeler_badges", "leaderboard_scores", "outbox_events")
    return [stage.query(f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def test_defect_5_days_are_the_calendars_not_86400_seconds(stage: Stage) -> None:
    """23 hours apart on two days is a streak of two; 47 hours apart with a day between skips one."""
    labeler = person()
    stage.wait(hours=-2)  # Monday 10:00
    work_once(stage, labeler)
    stage.wait(hours=23)
    work_once(stage, labeler)
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).streak_freezes) == (2, 2)
    stage.wait(hours=47)
    work_once(stage, labeler)
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).streak_freezes) == (3, 1)


def work_once(stage: Stage, labeler: UserId) -> uuid.UUID:
    return stage.answered_mission({labeler: "timeout"})


def test_defect_6_accuracy_is_computed_and_its_badge_reachable(stage: Stage) -> None:
    labeler = person()
    for number in range(20):
        assert "high_accuracy" not in stage.profile(labeler).badges
        stage.settle(stage.answered_mission({labeler: "timeout" if number else "assertion"}), "timeout")
    profile = stage.profile(labeler)
    assert (profile.accuracy, "high_accuracy" in profile.badges) == (0.95, True)


def test_defect_7_an_abandoned_mission_comes_back(stage: Stage) -> None:
    mission_id, absent, other = stage.mission(slot_count=1, time_estimate_minutes=5), person(), person()
    stage.assign(mission_id, absent)
    assert stage.available(other) == []
    stage.wait(minutes=15)  # three times the estimate
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.release_expired() == 1
    assert stage.available(other) == [mission_id]


def test_defect_8_a_mission_is_not_settled_before_all_who_were_asked_have_answered(stage: Stage) -> None:
    mission_id = stage.mission()
    assert stage.view(mission_id, person()).slot_count == 3
    for answered in range(3):
        with stage.arcade(None, Role.OWNER) as arcade:
            assert arcade.lock_if_answered(mission_id) is None, f"after {answered}"
        labeler = person()
        stage.assign(mission_id, labeler)
        stage.complete(mission_id, labeler)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.lock_if_answered(mission_id) is not None
