"""Claiming: exact slots under any number of hands, leases that end."""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotAssigned, NotOffered, OnlyYourself
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, TenantId, UserId
from tests.contexts.arcade.stage import Stage, person

TAKEN_SLOTS = "SELECT mission_id, slot_number, labeler_id FROM mission_slots WHERE state IN ('leased', 'started')"


def at_once(count: int, action: Callable[[int], object]) -> list[object]:
    """Run the action in `count` threads that all start together; results and refusals in order."""
    barrier = Barrier(count)

    def run(index: int) -> object:
        barrier.wait()
        try:
            return action(index)
        except (NotOffered, NotAssigned) as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_sixty_four_claimers_of_forty_slots_get_forty_and_none_twice(stage: Stage) -> None:
    for _ in range(20):
        stage.mission(slot_count=2)
    labelers = [person() for _ in range(64)]
    claimed = at_once(64, lambda index: stage.next(labelers[index]))
    rows = stage.query(TAKEN_SLOTS)
    assert sum(len(views) for views in claimed) == 40
    assert len(rows) == len({(row.mission_id, row.slot_number) for row in rows}) == 40
    assert set(Counter(row.mission_id for row in rows).values()) == {2}
    assert max(Counter(row.labeler_id for row in rows).values()) == 1
    assert stage.query("SELECT DISTINCT open_slots, next_token FROM missions") == [(0, 3)]


def test_claimers_of_several_missions_each_do_not_block_each_other_for_ever(stage: Stage) -> None:
    for _ in range(10):
        stage.mission(slot_count=2)
    labelers = [person() for _ in range(16)]
    at_once(16, lambda index: stage.next(labelers[index], count=5))
    rows = stage.query(TAKEN_SLOTS)
    assert len({(row.mission_id, row.labeler_id) for row in rows}) == len(rows) <= 20
    assert all(len(stage.next(labeler, count=5)) <= 5 for labeler in labelers)
    assert len(stage.query(TAKEN_SLOTS)) == 20


def test_a_double_click_claims_one_mission(stage: Stage) -> None:
    for _ in range(8):
        stage.mission()
    labeler = person()
    stage.profile(labeler)  # making it would let the clicks in one by one
    answers = at_once(8, lambda _: [view.id for view in stage.next(labeler)])
    assert len(stage.query(TAKEN_SLOTS)) == 1
    assert all(answer == answers[0] for answer in answers)


def test_the_last_slot_goes_to_one_of_two_who_assign_it_at_once(stage: Stage) -> None:
    mission_id = stage.mission(slot_count=1)
    labelers = [person() for _ in range(8)]
    outcomes = at_once(8, lambda index: stage.assign(mission_id, labelers[index]))
    assert sum(isinstance(outcome, NotOffered) for outcome in outcomes) == 7
    assert len(stage.query(TAKEN_SLOTS)) == 1


def test_whoever_asks_while_the_last_mission_is_locked_waits_instead_of_going_away_empty(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    with ThreadPoolExecutor(1) as pool:
        with stage.arcade(stage.lead, Role.OWNER) as arcade:
            arcade.repository.lock_mission(mission_id)
            asking = pool.submit(stage.next, labeler)
            with pytest.raises(TimeoutError):
                asking.result(timeout=0.5)
        assert [view.id for view in asking.result(timeout=10)] == [mission_id]


def test_whoever_waited_for_a_mission_that_is_then_full_waits_for_the_next_and_holds_nothing(stage: Stage) -> None:
    full, left = [stage.mission(slot_count=1, priority=priority) for priority in (2, 1)]
    first, second = person(), person()
    with ThreadPoolExecutor(1) as pool:
        with stage.arcade(stage.lead, Role.OWNER) as other:
            other.repository.lock_mission(left)
            with stage.arcade(first) as arcade:
                arcade.assign(full, labeler_id=first)
                asking = pool.submit(stage.next, second)
                with pytest.raises(TimeoutError):
                    asking.result(timeout=0.5)
            with pytest.raises(TimeoutError):
                asking.result(timeout=0.5)
            # A lock kept on the full one would make two such waiters wait for each other.
            assert len(stage.query("SELECT id FROM missions WHERE id = :id FOR UPDATE NOWAIT", id=full)) == 1
        assert [view.id for view in asking.result(timeout=10)] == [left]


def test_asking_again_returns_what_is_held(stage: Stage) -> None:
    for _ in range(3):
        stage.mission()
    labeler = person()
    first = stage.next(labeler, count=2)
    assert [view.id for view in stage.next(labeler, count=2)] == [view.id for view in first]
    assert {view.id for view in stage.next(labeler, count=1)} == {view.id for view in first}
    assert len(stage.next(labeler, count=3)) == 3


def test_nobody_holds_more_than_five(stage: Stage) -> None:
    mission_ids = [stage.mission() for _ in range(7)]
    stage.mission(type=MissionType.VERIFY_FIX, priority=-1)
    labeler = person()
    held = {view.id for view in stage.next(labeler, count=5)}
    assert len(held) == 5
    with pytest.raises(NotOffered, match="5 missions are held already"):
        stage.assign(next(mission_id for mission_id in mission_ids if mission_id not in held), labeler)
    assert stage.next(labeler, mission_type=MissionType.VERIFY_FIX) == []


def test_the_oldest_of_the_most_urgent_missions_comes_first(stage: Stage) -> None:
    stage.mission(priority=0)
    stage.wait(seconds=1)
    urgent = stage.mission(priority=5)
    stage.wait(seconds=1)
    stage.mission(priority=5)
    assert [view.id for view in stage.next(person())] == [urgent]


def test_a_named_type_is_counted_and_returned_alone(stage: Stage) -> None:
    stage.mission()
    selector = stage.mission(type=MissionType.VALIDATE_SELECTOR)
    labeler = person()
    stage.next(labeler, mission_type=MissionType.CLASSIFY_ERROR)
    assert [view.id for view in stage.next(labeler, mission_type=MissionType.VALIDATE_SELECTOR)] == [selector]
    assert len(stage.next(labeler)) == 2


def test_available_lists_the_best_paid_first_and_only_what_assign_would_give(stage: Stage) -> None:
    labeler, other = person(), person()
    low, high = stage.mission(xp_reward=41), stage.mission(xp_reward=59)
    stage.mission(required_skill_level=2)
    full = stage.mission(slot_count=1)
    stage.assign(full, other)
    expiring = stage.mission(expires_at=stage.clock.now().replace(hour=13), xp_reward=50)
    own = stage.mission()
    stage.assign(own, labeler)
    assert stage.available(labeler) == [high, expiring, low]
    assert stage.available(labeler, limit=1) == [high]
    assert stage.available(labeler, mission_type=MissionType.VERIFY_FIX) == []
    stage.wait(hours=1)
    assert expiring not in stage.available(labeler)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param({"required_skill_level": 2}, "it asks for level 2", id="level"),
        pytest.param({"slot_count": 1}, "all its slots are taken", id="full"),
    ],
)
def test_what_is_not_available_cannot_be_assigned(stage: Stage, wanted: dict[str, int], reason: str) -> None:
    mission_id = stage.mission(**wanted)
    if "slot_count" in wanted:
        stage.assign(mission_id, person())
    with pytest.raises(NotOffered, match=reason):
        stage.assign(mission_id, person())


def test_an_expired_mission_cannot_be_assigned(stage: Stage) -> None:
    mission_id = stage.mission(expires_at=stage.clock.now().replace(hour=13))
    stage.wait(hours=1)
    with pytest.raises(NotOffered, match="it expired at 2026-03-02T13:00:00"):
        stage.assign(mission_id, person())


def test_who_completed_a_mission_is_not_offered_it_again(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    stage.assign(mission_id, labeler)
    stage.complete(mission_id, labeler)
    assert stage.available(labeler) == []
    assert stage.next(labeler) == []
    with pytest.raises(NotOffered, match="completed it already"):
        stage.assign(mission_id, labeler)


def test_assigning_again_changes_nothing(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    first = stage.assign(mission_id, labeler)
    stage.wait(minutes=1)
    assert stage.assign(mission_id, labeler) == first
    assert len(stage.query(TAKEN_SLOTS)) == 1


def test_an_abandoned_mission_comes_back_when_its_lease_ends(stage: Stage) -> None:
    mission_id = stage.mission(slot_count=1, time_estimate_minutes=5)
    first, second = person(), person()
    held = stage.next(first)[0]
    stage.wait(minutes=14, seconds=59)
    assert stage.next(second) == []
    stage.wait(seconds=1)
    taken = stage.next(second)[0]
    assert (held.id, taken.id) == (mission_id, mission_id)
    assert held.fencing_token is not None
    assert taken.fencing_token is not None
    assert taken.fencing_token > held.fencing_token
    assert stage.next(first) == []


def test_the_sensor_takes_ended_leases_back_once(stage: Stage) -> None:
    stage.mission(slot_count=2)
    labelers = [person(), person()]
    for labeler in labelers:
        stage.next(labeler)
    stage.wait(minutes=15)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert (arcade.release_expired(), arcade.release_expired()) == (2, 0)
    assert stage.query("SELECT open_slots FROM missions") == [(2,)]


def test_whoever_comes_back_after_their_lease_gets_a_new_one(stage: Stage) -> None:
    mission_id, labeler = stage.mission(slot_count=1), person()
    stage.next(labeler)
    stage.wait(minutes=15)
    assert [(view.id, view.fencing_token) for view in stage.next(labeler)] == [(mission_id, 2)]


def test_starting_runs_the_lease_anew_and_only_once(stage: Stage) -> None:
    mission_id, labeler = stage.mission(time_estimate_minutes=5), person()
    stage.assign(mission_id, labeler)
    stage.wait(minutes=10)
    started = stage.start(mission_id, labeler)
    assert started.status == "in_progress"
    assert started.lease_until == stage.clock.now().replace(minute=25)
    stage.wait(minutes=1)
    assert stage.start(mission_id, labeler) == started


def test_only_who_holds_a_mission_starts_it(stage: Stage) -> None:
    mission_id = stage.mission()
    with pytest.raises(NotAssigned):
        stage.start(mission_id, person())
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(OnlyYourself):
        arcade.start(mission_id, labeler_id=person())


def test_a_lead_assigns_to_others_and_it_is_audited(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    with stage.arcade(stage.lead, Role.ADMIN) as arcade:
        view = arcade.assign(mission_id, labeler_id=labeler)
    assert (view.assigned_to, view.status) == (labeler, "assigned")
    audited = stage.query("SELECT actor_id, object_id, details FROM audit_events WHERE action = 'mission.assigned'")
    assert audited == [(stage.lead, str(mission_id), {"labeler_id": str(labeler)})]
    assert [view.id for view in stage.next(labeler)] == [mission_id]


def test_members_assign_to_themselves_only(stage: Stage) -> None:
    mission_id = stage.mission()
    with stage.arcade(person()) as arcade, pytest.raises(LeadsOnly):
        arcade.assign(mission_id, labeler_id=person())


def test_another_tenants_mission_does_not_exist(
    stage: Stage, app_database: Database, new_tenant: Callable[[], uuid.UUID]
) -> None:
    mission_id, stranger = stage.mission(), UserId(person())
    elsewhere = Stage(app_database, TenantId(new_tenant()))
    for action in (elsewhere.assign, elsewhere.view, elsewhere.start, elsewhere.complete):
        with pytest.raises(NotFound):
            action(mission_id, stranger)
    assert elsewhere.next(stranger) == []
