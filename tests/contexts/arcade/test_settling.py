"""Settling: decided once, paid once, asked again up to seven times."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotSettleable
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import Stage, person

PAID = "SELECT labeler_id, xp, coins, xp_pending, coins_pending FROM xp_ledger WHERE kind = 'settled'"


def ask_again(stage: Stage, mission_id: uuid.UUID) -> None:
    with stage.arcade(None, Role.OWNER) as arcade:
        arcade.ask_again(mission_id)


def test_the_right_are_paid_and_the_wrong_are_not(stage: Stage) -> None:
    right, wrong = person(), person()
    mission_id = stage.answered_mission({right: "timeout", wrong: "assertion"}, xp_reward=55, coin_reward=4)
    view = stage.settle(mission_id, "timeout")
    assert (view.state, view.settled_label, view.settled_at) == ("settled", "timeout", stage.clock.now())
    # Half of the answers were wrong, which is worth an eighth more: 61, held at the type's 60.
    assert set(stage.query(PAID)) == {(right, 60, 4, -55, -4), (wrong, 0, 0, -55, -4)}
    assert (stage.profile(right).xp, stage.profile(right).coins, stage.profile(right).xp_pending) == (60, 104, 0)
    assert (stage.profile(wrong).xp, stage.profile(wrong).coins, stage.profile(wrong).xp_pending) == (0, 100, 0)


def test_settling_again_pays_nothing_more_even_at_once(stage: Stage) -> None:
    labelers = [person(), person()]
    mission_id = stage.answered_mission(dict.fromkeys(labelers, "timeout"))
    with ThreadPoolExecutor(8) as pool:
        assert {view.settled_label for view in pool.map(lambda _: stage.settle(mission_id), range(8))} == {"timeout"}
    assert len(stage.query(PAID)) == 2
    events = stage.query("SELECT payload FROM outbox_events WHERE type = 'arcade.mission_settled'")
    assert [(row.payload["label"], row.payload["answer_count"], row.payload["right_count"]) for row in events] == [
        ("timeout", 2, 2)
    ]


def test_a_settlement_stands(stage: Stage) -> None:
    mission_id = stage.answered_mission({person(): "timeout"})
    stage.settle(mission_id, "timeout")
    with pytest.raises(NotSettleable, match="settled as 'timeout'"):
        stage.settle(mission_id, "assertion")


def test_nothing_is_settled_before_all_slots_are_used(stage: Stage) -> None:
    mission_id, labeler, other = stage.mission(slot_count=2), person(), person()
    stage.assign(mission_id, labeler)
    stage.complete(mission_id, labeler)
    for _ in range(2):
        with pytest.raises(NotSettleable, match="still to be answered"):
            stage.settle(mission_id)
        with stage.arcade(None, Role.OWNER) as arcade:
            assert arcade.lock_if_answered(mission_id) is None
        stage.assign(mission_id, other)  # held, but not answered
    stage.complete(mission_id, other)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.lock_if_answered(mission_id) is not None


def test_an_extra_answer_that_is_right_is_paid_the_least_its_type_pays(stage: Stage) -> None:
    late, punctual = person(), person()
    mission_id = stage.mission(slot_count=1)
    token = stage.assign(mission_id, late).fencing_token
    stage.wait(minutes=20)
    stage.assign(mission_id, punctual)
    stage.complete(mission_id, punctual)
    stage.complete(mission_id, late, token=token)
    stage.settle(mission_id)
    assert (stage.profile(punctual).xp, stage.profile(late).xp) == (50, 40)
    assert (stage.profile(late).total_missions_completed, stage.profile(late).xp_pending) == (1, 0)


@pytest.mark.parametrize(("label", "xp"), [("timeout", 40), ("network", 0)], ids=["right", "wrong"])
def test_a_late_answer_to_a_settled_mission_is_kept_and_settled_by_itself(stage: Stage, label: str, xp: int) -> None:
    late, punctual = person(), person()
    mission_id = stage.mission(slot_count=1)
    stage.assign(mission_id, late)
    stage.wait(minutes=20)
    stage.assign(mission_id, punctual)
    stage.complete(mission_id, punctual)
    stage.settle(mission_id)
    completed = stage.complete(mission_id, late, label)
    assert (completed.is_extra, completed.xp_pending) == (True, 40)
    for _ in range(2):
        with stage.arcade(None, Role.OWNER) as arcade:
            arcade.pay_late_answers(mission_id)
    assert (stage.profile(late).xp, stage.profile(late).xp_pending) == (xp, 0)
    assert stage.query("SELECT slot_count, open_slots FROM missions") == [(1, 0)]


def test_one_slot_is_added_at_a_time_up_to_seven_then_a_person_decides(stage: Stage) -> None:
    mission_id = stage.answered_mission({person(): "timeout" for _ in range(5)})
    for slot_count in (6, 7):
        ask_again(stage, mission_id)
        assert stage.query("SELECT slot_count, open_slots, state FROM missions") == [(slot_count, 1, "open")]
        labeler = person()
        stage.assign(mission_id, labeler)
        stage.complete(mission_id, labeler, "assertion")
    ask_again(stage, mission_id)
    assert stage.query("SELECT slot_count, open_slots, state FROM missions") == [(7, 0, "disputed")]
    events = stage.query("SELECT payload FROM outbox_events WHERE type = 'arcade.mission_disputed'")
    assert [row.payload["answer_count"] for row in events] == [7]
    assert stage.next(person()) == []


def test_nobody_more_is_asked_when_the_missions_time_is_over(stage: Stage) -> None:
    mission_id = stage.answered_mission({person(): "timeout"}, expires_at=stage.clock.now().replace(hour=13))
    stage.wait(hours=1)
    ask_again(stage, mission_id)
    assert stage.query("SELECT slot_count, state FROM missions") == [(1, "disputed")]


def test_only_leads_adjudicate_and_only_what_is_disputed(stage: Stage) -> None:
    mission_id = stage.answered_mission({person(): "timeout"})
    with stage.arcade(person()) as arcade, pytest.raises(LeadsOnly):
        arcade.lock_for_adjudication(mission_id, "timeout")
    with stage.arcade(stage.lead, Role.ADMIN) as arcade, pytest.raises(NotSettleable, match="it is open"):
        arcade.lock_for_adjudication(mission_id, "timeout")


def test_an_overdue_mission_without_answers_expires(stage: Stage) -> None:
    mission_id = stage.mission(expires_at=stage.clock.now().replace(hour=13))
    stage.wait(hours=1)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert (arcade.close_overdue(), arcade.close_overdue()) == (1, 0)
    assert stage.view(mission_id, person()).status == "expired"


def test_an_overdue_mission_with_answers_waits_for_a_person_so_that_nobodys_work_is_lost(stage: Stage) -> None:
    labeler, holder = person(), person()
    mission_id = stage.mission(expires_at=stage.clock.now().replace(minute=10), slot_count=3)
    stage.assign(mission_id, labeler)
    stage.complete(mission_id, labeler)
    stage.assign(mission_id, holder)
    stage.wait(minutes=10)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.close_overdue() == 0  # somebody is still at it
    stage.wait(minutes=5)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert (arcade.release_expired(), arcade.close_overdue()) == (1, 1)
    stage.settle(mission_id)
    assert stage.profile(labeler).xp == 50
