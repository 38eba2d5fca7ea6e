"""Between claim and answer: more time, drafts that outlive leases, giving back, skipping."""

import uuid
from datetime import timedelta

import pytest

from shifty_pipelines.contexts.arcade.domain.leases import FREE_SKIPS, SkippedMission, SkipReason, lease_of
from shifty_pipelines.contexts.arcade.domain.missions import MissionView
from shifty_pipelines.contexts.arcade.errors import DraftTooLarge, LeaseUsedUp, OnlyYourself, StaleToken
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, UserId
from tests.contexts.arcade.stage import MONDAY_NOON, Stage, person
from tests.contexts.arcade.test_answering import held


def heartbeat(stage: Stage, mission_id: uuid.UUID, labeler: UserId, token: int) -> MissionView:
    with stage.arcade(labeler) as arcade:
        return arcade.heartbeat(mission_id, labeler_id=labeler, fencing_token=token)


def release(stage: Stage, mission_id: uuid.UUID, labeler: UserId, token: int) -> MissionView:
    with stage.arcade(labeler) as arcade:
        return arcade.release(mission_id, labeler_id=labeler, fencing_token=token)


def skip(stage: Stage, mission_id: uuid.UUID, labeler: UserId, token: int) -> SkippedMission:
    with stage.arcade(labeler) as arcade:
        return arcade.skip(mission_id, labeler_id=labeler, fencing_token=token, reason=SkipReason.MISSING_CONTEXT)


def save_draft(
    stage: Stage, mission_id: uuid.UUID, labeler: UserId, token: int, key_slot: int | None = None, said: str = "hm"
) -> None:
    with stage.arcade(labeler) as arcade:
        arcade.save_draft(
            mission_id,
            {"notes": said},
            labeler_id=labeler,
            fencing_token=token,
            item_key_slot=stage.keys.allocate(stage.tenant_id).start if key_slot is None else key_slot,
        )


def draft(stage: Stage, mission_id: uuid.UUID, labeler: UserId) -> str:
    with stage.arcade(labeler) as arcade:
        return str(arcade.draft(mission_id, labeler_id=labeler).content["notes"])


# -------------------------------------------------------------------------------------------------------------- leases


def test_a_heartbeat_extends_the_lease_from_now(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1, time_estimate_minutes=5)
    stage.wait(minutes=10)
    assert heartbeat(stage, mission_id, labeler, token).lease_until == MONDAY_NOON + timedelta(minutes=25)
    stage.wait(minutes=14)
    assert stage.next(person()) == []  # without the heartbeat it would be free since 12:15


def test_a_lease_is_extended_ten_times_its_length_and_then_ends(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1, time_estimate_minutes=5)
    for _ in range(14):
        stage.wait(minutes=10)
        view = heartbeat(stage, mission_id, labeler, token)
    assert view.lease_until == MONDAY_NOON + timedelta(minutes=150)
    stage.wait(minutes=10)
    with pytest.raises(LeaseUsedUp, match="Complete it, which still counts"):
        heartbeat(stage, mission_id, labeler, token)
    assert stage.complete(mission_id, labeler, token=token).is_extra is False


def test_a_heartbeat_of_an_assignment_that_ended_is_refused(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    stage.wait(minutes=20)
    stage.assign(mission_id, person())
    with pytest.raises(StaleToken):
        heartbeat(stage, mission_id, labeler, token)
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(OnlyYourself):
        arcade.heartbeat(mission_id, labeler_id=labeler, fencing_token=token)


@pytest.mark.parametrize(
    ("p90_s", "minutes"),
    [
        pytest.param(None, 15, id="estimate of 5"),
        pytest.param(60.0, 5, id="never under 5 minutes"),
        pytest.param(600.0, 30, id="three times 10"),
        pytest.param(90_000.0, 24 * 60, id="never over a day"),
    ],
)
def test_a_lease_is_three_times_the_ninetieth_percentile_within_bounds(p90_s: float | None, minutes: int) -> None:
    assert lease_of(p90_s, 5) == timedelta(minutes=minutes)


def test_leases_follow_how_long_answers_of_the_type_really_take(stage: Stage) -> None:
    # Twenty answers of 1 .. 20 minutes; the continuous 0.9 quantile lies at 1 + 0.9 * 19 = 18.1 minutes.
    for minutes in range(1, 21):
        mission_id, labeler = stage.mission(slot_count=1), person()
        stage.assign(mission_id, labeler)
        stage.start(mission_id, labeler)
        stage.wait(minutes=minutes)
        stage.complete(mission_id, labeler)
        with stage.arcade(None, Role.OWNER) as arcade:
            arcade.measure_times()
        measured = stage.query("SELECT p90_s, answer_count FROM mission_type_times")
        assert len(measured) == (minutes == 20)
    assert measured == [(pytest.approx(18.1 * 60), 20)]
    view = stage.assign(stage.mission(), person())
    assert view.lease_until is not None
    assert (view.lease_until - stage.clock.now()).total_seconds() == pytest.approx(3 * 18.1 * 60, abs=1e-3)


def test_times_are_measured_anew_after_ten_minutes_and_not_before(stage: Stage) -> None:
    def answer_twenty() -> None:
        for _ in range(20):
            mission_id, labeler = stage.mission(slot_count=1), person()
            stage.assign(mission_id, labeler)
            stage.complete(mission_id, labeler)
        with stage.arcade(None, Role.OWNER) as arcade:
            arcade.measure_times()

    counted = "SELECT answer_count FROM mission_type_times"
    answer_twenty()
    answer_twenty()
    assert stage.query(counted) == [(20,)]
    stage.wait(minutes=10)
    answer_twenty()
    assert stage.query(counted) == [(60,)]


def test_what_is_released_is_free_at_once_and_releasing_again_changes_nothing(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    save_draft(stage, mission_id, labeler, token)
    for _ in range(2):
        assert release(stage, mission_id, labeler, token).status == "available"
    assert stage.query("SELECT open_slots FROM missions") == [(1,)]
    with pytest.raises(NotFound):
        draft(stage, mission_id, labeler)
    with pytest.raises(StaleToken):
        heartbeat(stage, mission_id, labeler, token)
    assert [view.id for view in stage.next(labeler)] == [mission_id]  # one's own release bars nobody


def test_an_answer_given_cannot_be_released(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    stage.complete(mission_id, labeler, token=token)
    with pytest.raises(StaleToken):
        release(stage, mission_id, labeler, token)


# --------------------------------------------------------------------------------------------------------------- skips


def test_what_was_skipped_goes_to_others_and_not_back(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    skipped = skip(stage, mission_id, labeler, token)
    assert (skipped.is_free, skipped.free_skips_left) == (True, FREE_SKIPS - 1)
    assert stage.next(labeler) == []
    assert stage.available(labeler) == []
    assert [view.id for view in stage.next(person())] == [mission_id]
    assert skip(stage, mission_id, labeler, token).free_skips_left == FREE_SKIPS - 1  # the client asks twice
    events = stage.query("SELECT payload FROM outbox_events WHERE type = 'arcade.mission_skipped'")
    assert [(row.payload["reason"], row.payload["is_free"]) for row in events] == [("missing_context", True)]


def test_skips_beyond_the_days_free_ones_are_counted_and_not_refused(stage: Stage) -> None:
    labeler = person()
    for number in range(FREE_SKIPS + 1):
        mission_id = stage.mission()
        token = stage.assign(mission_id, labeler).fencing_token
        assert token is not None
        skipped = skip(stage, mission_id, labeler, token)
        assert skipped.is_free is (number < FREE_SKIPS)
    assert skipped.free_skips_left == 0
    stage.wait(hours=24)
    mission_id = stage.mission()
    token = stage.assign(mission_id, labeler).fencing_token
    assert token is not None
    assert skip(stage, mission_id, labeler, token).free_skips_left == FREE_SKIPS - 1


# -------------------------------------------------------------------------------------------------------------- drafts


def test_a_draft_outlives_its_lease_and_can_still_be_saved_and_completed(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    save_draft(stage, mission_id, labeler, token, said="half a thought")
    stage.wait(minutes=20)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.release_expired() == 1
    assert draft(stage, mission_id, labeler) == "half a thought"
    save_draft(stage, mission_id, labeler, token, said="a whole one")  # an offline client comes back
    assert draft(stage, mission_id, labeler) == "a whole one"
    stage.complete(mission_id, labeler, token=token)
    assert stage.query("SELECT count(*) FROM mission_drafts") == [(0,)]


@pytest.mark.parametrize("erased", ["labeler", "item"])
def test_a_draft_is_sealed_and_dies_with_either_key(stage: Stage, erased: str) -> None:
    mission_id, labeler, token = held(stage)
    item_key_slot = stage.keys.allocate(stage.tenant_id).start
    save_draft(stage, mission_id, labeler, token, item_key_slot, said="marmalade")
    [(sealed, key_slot)] = stage.query("SELECT sealed, key_slot FROM mission_drafts")
    assert b"marmalade" not in sealed
    assert key_slot == item_key_slot
    [(labeler_key_slot,)] = stage.query("SELECT key_slot FROM arcade_profiles WHERE id = :id", id=labeler)
    stage.keys.erase(stage.tenant_id, [labeler_key_slot if erased == "labeler" else item_key_slot])
    with pytest.raises(NotFound, match="Draft not found"):
        draft(stage, mission_id, labeler)


def test_only_who_holds_or_held_a_mission_drafts_an_answer_of_bounded_size(stage: Stage) -> None:
    mission_id, labeler, token = held(stage)
    with pytest.raises(StaleToken):
        save_draft(stage, mission_id, person(), token)
    with pytest.raises(StaleToken):
        save_draft(stage, mission_id, labeler, token + 1)
    with pytest.raises(DraftTooLarge, match="a draft may have 65536"):
        save_draft(stage, mission_id, labeler, token, said="x" * 65536)
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(OnlyYourself):
        arcade.draft(mission_id, labeler_id=labeler)


def test_an_overtaken_token_saves_no_draft(stage: Stage) -> None:
    mission_id, labeler, token = held(stage, slot_count=1)
    skip(stage, mission_id, labeler, token)
    with pytest.raises(StaleToken):
        save_draft(stage, mission_id, labeler, token)
    assert stage.query("SELECT count(*) FROM mission_drafts") == [(0,)]
