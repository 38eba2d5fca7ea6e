"""Completing and undoing: one label and one promise for each assignment, whatever is repeated, late or at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import Answer
from shifty_pipelines.contexts.arcade.errors import (
    AnsweredDifferently,
    MissionClosed,
    NotAssigned,
    OnlyYourself,
    StaleToken,
    UndoTooLate,
)
from shifty_pipelines.kernel.sealed import seal_under
from shifty_pipelines.kernel.tenant import Role, UserId
from tests.contexts.arcade.stage import MONDAY_NOON, Stage, person

LEDGER = "SELECT kind, xp, coins, xp_pending, coins_pending FROM xp_ledger ORDER BY created_at, kind"


def held(stage: Stage, **wanted: object) -> tuple[uuid.UUID, UserId, int]:
    """A mission in the hands of a labeler, with their token."""
    mission_id, labeler = stage.mission(**wanted), person()
    token = stage.assign(mission_id, labeler).fencing_token
    assert token is not None
    return mission_id, labeler, token


def test_completing_promises_the_reward_and_pays_nothing_yet(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, xp_reward=60, coin_reward=3)
    completed = stage.complete(mission_id, labeler, "timeout", token=token, confidence=0.75)
    assert (completed.xp_pending, completed.coins_pending, completed.is_extra) == (60, 3, False)
    assert completed.mission.status == "completed"
    assert completed.mission.answer == Answer(label="timeout", confidence=0.75)
    assert stage.query(LEDGER) == [("pending", 0, 0, 60, 3)]
    profile = stage.profile(labeler)
    assert (profile.xp, profile.xp_pending, profile.coins, profile.total_missions_completed) == (0, 60, 100, 1)


def test_completing_again_gives_the_same_and_promises_nothing_more(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    first = stage.complete(mission_id, labeler, token=token, notes="seen in step 3")
    stage.wait(hours=1)
    again = stage.complete(mission_id, labeler, token=token, notes="seen in step 3")
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.assignment_id, again.xp_pending, again.mission) == (
        first.assignment_id,
        first.xp_pending,
        first.mission,
    )
    assert len(stage.query(LEDGER)) == 1


def test_the_same_answer_sent_many_times_at_once_counts_once(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda _: stage.complete(mission_id, labeler, token=token), range(12)))
    assert sum(result.is_new for result in results) == 1
    assert len(stage.query(LEDGER)) == 1


@pytest.mark.parametrize(
    "second",
    [{"label": "assertion"}, {"confidence": 0.1}, {"notes": "no, in step 4"}, {"notes": None}],
    ids=["label", "confidence", "notes", "no notes"],
)
def test_a_different_second_answer_is_refused(stage: Stage, second: dict[str, object]) -> None:
    mission_id, labeler, _ = held(stage)
    first = {"label": "timeout", "confidence": 0.9, "notes": "in step 3"}
    stage.complete(mission_id, labeler, **first)
    with pytest.raises(AnsweredDifferently):
        stage.complete(mission_id, labeler, **{**first, **second})


def test_who_never_held_a_mission_cannot_complete_it(stage: Stage) -> None:
    mission_id = stage.mission()
    for token in (None, 1):
        with pytest.raises(NotAssigned):
            stage.complete(mission_id, person(), token=token)


def test_nobody_answers_in_anothers_name(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        with pytest.raises(OnlyYourself):
            arcade.complete(mission_id, Answer(label="timeout"), labeler_id=labeler, item_key_slot=0)
        with pytest.raises(OnlyYourself):
            arcade.undo(mission_id, labeler_id=labeler, fencing_token=token)


def test_a_late_answer_takes_its_slot_while_that_is_free(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    completed = stage.complete(mission_id, labeler, token=token)
    assert (completed.is_extra, completed.xp_pending) == (False, 50)


def test_a_late_answer_takes_its_slot_even_after_the_sensor_freed_it(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.release_expired() == 1
    completed = stage.complete(mission_id, labeler, token=token)
    assert (completed.is_extra, completed.xp_pending) == (False, 50)
    assert stage.query("SELECT open_slots FROM missions") == [(0,)]


def test_a_late_answer_takes_another_slot_when_its_own_is_gone(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=2)
    stage.wait(minutes=20)
    stage.assign(mission_id, person())  # gets the freed slot 1
    assert stage.complete(mission_id, labeler, token=token).is_extra is False
    assert sorted(stage.query("SELECT slot_number, state FROM mission_slots")) == [(1, "leased"), (2, "completed")]


def test_a_late_answer_whose_slot_is_taken_is_kept_for_the_least_its_type_pays(stage: Stage) -> None:
    mission_id, late, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    punctual = person()
    stage.assign(mission_id, punctual)
    extra = stage.complete(mission_id, late, "assertion", token=token)
    assert (extra.is_extra, extra.xp_pending, extra.mission.status) == (True, 40, "completed")
    assert stage.complete(mission_id, punctual).xp_pending == 50
    assert sorted(stage.query(LEDGER)) == [("pending", 0, 0, 40, 0), ("pending", 0, 0, 50, 0)]
    again = stage.complete(mission_id, late, "assertion", token=token)
    assert (again.is_new, again.is_extra, again.xp_pending) == (False, True, 40)
    assert stage.query("SELECT slot_count, open_slots FROM missions") == [(1, 0)]


def test_a_token_of_an_earlier_lease_is_refused_once_there_is_a_later_one(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    assert stage.next(labeler)[0].fencing_token == token + 1
    with pytest.raises(StaleToken, match=f"Fencing token {token}"):
        stage.complete(mission_id, labeler, token=token)
    assert stage.complete(mission_id, labeler, token=token + 1).xp_pending == 50


def test_a_cancelled_mission_takes_no_answer(stage: Stage) -> None:
    mission_id, labeler, _ = held(stage)
    stage.query("UPDATE missions SET state = 'cancelled' RETURNING id")
    with pytest.raises(MissionClosed, match="cancelled"):
        stage.complete(mission_id, labeler)


# ---------------------------------------------------------------------------------------------------------------- undo


def test_undo_withdraws_the_promise_and_gives_the_mission_back(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, coin_reward=2)
    stage.complete(mission_id, labeler, "timeout", token=token)
    view = stage.undo(mission_id, labeler, token)
    assert (view.status, view.fencing_token, view.answer) == ("assigned", token + 1, None)
    profile = stage.profile(labeler)
    assert (profile.xp, profile.xp_pending, profile.total_missions_completed) == (0, 0, 0)
    assert stage.complete(mission_id, labeler, "assertion", token=token + 1).xp_pending == 50
    assert sorted(stage.query(LEDGER)) == [
        ("pending", 0, 0, 50, 2),
        ("pending", 0, 0, 50, 2),
        ("reversal", 0, 0, -50, -2),
    ]
    assert stage.query("SELECT open_slots FROM missions") == [(2,)]


def test_undo_works_for_ten_seconds_and_no_longer(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    stage.complete(mission_id, labeler, token=token)
    stage.wait(seconds=10)
    assert stage.undo(mission_id, labeler, token).status == "assigned"
    stage.complete(mission_id, labeler, token=token + 1)
    stage.wait(seconds=10, milliseconds=1)
    with pytest.raises(UndoTooLate, match="more than 10 seconds ago"):
        stage.undo(mission_id, labeler, token + 1)
    assert stage.profile(labeler).xp_pending == 50


def test_undoing_again_changes_nothing(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    stage.complete(mission_id, labeler, token=token)
    first = stage.undo(mission_id, labeler, token)
    stage.wait(minutes=1)
    assert stage.undo(mission_id, labeler, token) == first
    assert len(stage.query(LEDGER)) == 2


def test_a_repetition_of_the_undone_answer_does_not_count(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    stage.complete(mission_id, labeler, token=token)
    stage.undo(mission_id, labeler, token)
    with pytest.raises(StaleToken):
        stage.complete(mission_id, labeler, token=token)


def test_a_settled_answer_cannot_be_undone(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    stage.complete(mission_id, labeler, token=token)
    stage.settle(mission_id)
    with pytest.raises(UndoTooLate, match="the mission is settled"):
        stage.undo(mission_id, labeler, token)
    assert stage.profile(labeler).xp == 50


def test_only_an_answer_given_can_be_undone(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    for wrong in (token, token + 5):
        with pytest.raises(StaleToken):
            stage.undo(mission_id, labeler, wrong)


def test_an_extra_answer_can_be_undone_too(stage: Stage) -> None:
    mission_id, late, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    stage.assign(mission_id, person())
    stage.complete(mission_id, late, token=token)
    assert stage.undo(mission_id, late, token).assigned_to is None
    assert sorted(stage.query(LEDGER)) == [("pending", 0, 0, 40, 0), ("reversal", 0, 0, -40, 0)]
    assert stage.profile(late).xp_pending == 0


# --------------------------------------------------------------------------------------------------- who sees an answer


def test_nobody_sees_anothers_answer(stage: Stage) -> None:
    mission_id, labeler, _ = held(stage, slot_count=2)
    stage.complete(mission_id, labeler, "timeout", notes="in step 3")
    seen = stage.view(mission_id, person())
    assert (seen.status, seen.answer, seen.assigned_to, seen.completed_by, seen.completed_at) == (
        "available",
        None,
        None,
        None,
        None,
    )
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        assert arcade.view(mission_id, labeler_id=labeler).answer is None
        assert [view.answer for view in arcade.completed(labeler_id=labeler, limit=5)] == [None]
    own = stage.view(mission_id, labeler)
    assert own.answer == Answer(label="timeout", notes="in step 3")
    assert (own.completed_by, own.completed_at) == (labeler, MONDAY_NOON)


@pytest.mark.parametrize("erased", ["labeler", "item"])
def test_notes_are_sealed_and_die_with_either_key(stage: Stage, erased: str) -> None:
    mission_id, labeler, _ = held(stage)
    item_key_slot = stage.keys.allocate(stage.tenant_id).start
    stage.complete(mission_id, labeler, "timeout", notes="marmalade", item_key_slot=item_key_slot)
    [(sealed, key_slot, result)] = stage.query("SELECT sealed, key_slot, result::text FROM mission_slots")
    assert b"marmalade" not in sealed
    assert "marmalade" not in result
    assert key_slot == item_key_slot
    [(labeler_key_slot,)] = stage.query("SELECT key_slot FROM arcade_profiles WHERE id = :id", id=labeler)
    stage.keys.erase(stage.tenant_id, [labeler_key_slot if erased == "labeler" else item_key_slot])
    assert stage.view(mission_id, labeler).answer == Answer(label="timeout", notes=None)


def test_an_answer_of_before_forms_still_reads_with_its_notes(stage: Stage) -> None:
    mission_id, labeler, _ = held(stage)
    key_slot = stage.keys.allocate(stage.tenant_id).start
    stage.complete(mission_id, labeler, "timeout", notes="marmalade", item_key_slot=key_slot)
    [(own_slot,)] = stage.query("SELECT key_slot FROM arcade_profiles WHERE id = :id", id=labeler)
    sealed = seal_under(stage.keys, stage.tenant_id, "marmalade", slots=(own_slot, key_slot)).ciphertext
    stage.query("UPDATE mission_slots SET sealed = :sealed, result = result - 'given' RETURNING id", sealed=sealed)
    assert stage.view(mission_id, labeler).answer == Answer(label="timeout", notes="marmalade")


def test_what_one_completed_is_listed_newest_first_and_can_be_paged(stage: Stage) -> None:
    labeler = person()
    mission_ids = []
    for _ in range(3):
        mission_ids.append(stage.answered_mission({labeler: "timeout"}))
        stage.wait(minutes=1)
    with stage.arcade(labeler) as arcade:
        first = arcade.completed(labeler_id=labeler, limit=2)
        assert first[-1].completed_at is not None
        rest = arcade.completed(labeler_id=labeler, limit=2, after=(first[-1].completed_at, first[-1].id))
    assert [view.id for view in (*first, *rest)] == mission_ids[::-1]
