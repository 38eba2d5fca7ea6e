"""Profiles: always the sum of the ledger."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.arcade.errors import LeadsOnly
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, TenantId
from tests.contexts.arcade.stage import MONDAY_NOON, Stage, person


def test_a_new_profile_starts_with_a_hundred_coins_on_level_one(stage: Stage) -> None:
    labeler = person()
    profile = stage.profile(labeler)
    assert (profile.level, profile.xp, profile.xp_pending, profile.xp_to_next_level, profile.coins) == (
        1,
        0,
        0,
        100,
        100,
    )
    assert profile.display_name == f"User-{str(labeler)[:8]}"
    assert (profile.accuracy, profile.total_missions_completed, profile.last_active_at) == (None, 0, MONDAY_NOON)


def test_anothers_profile_is_not_made_by_looking(stage: Stage) -> None:
    with stage.arcade(person()) as arcade, pytest.raises(NotFound):
        arcade.profile(person())
    assert stage.query("SELECT count(*) FROM arcade_profiles") == [(0,)]


def test_two_first_readers_make_one_profile(stage: Stage) -> None:
    labeler = person()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: stage.profile(labeler), range(8)))) == 1
    assert stage.query("SELECT count(*) FROM arcade_profiles") == [(1,)]


def test_one_renames_oneself_and_leads_rename_anybody(stage: Stage) -> None:
    labeler = person()
    with stage.arcade(labeler) as arcade:
        assert arcade.rename(labeler, "Ada").display_name == "Ada"
    with stage.arcade(person()) as arcade, pytest.raises(LeadsOnly):
        arcade.rename(labeler, "Eve")
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        arcade.rename(labeler, "Grace")
    assert stage.profile(labeler).display_name == "Grace"
    assert stage.query("SELECT object_id FROM audit_events WHERE action = 'profile.renamed'") == [(str(labeler),)]


def test_accuracy_is_the_share_of_settled_answers_that_were_right(stage: Stage) -> None:
    labeler = person()
    for label in ("timeout", "timeout", "timeout", "assertion"):
        stage.settle(stage.answered_mission({labeler: label}), "timeout")
    stage.answered_mission({labeler: "assertion"})  # not settled: does not count
    assert stage.profile(labeler).accuracy == 0.75


def test_settled_xp_raises_the_level(stage: Stage) -> None:
    labeler = person()
    for _ in range(2):
        stage.settle(stage.answered_mission({labeler: "timeout"}, xp_reward=50))
    assert (stage.profile(labeler).level, stage.profile(labeler).xp_to_next_level) == (2, 250)
    hard = stage.mission(required_skill_level=2)
    assert stage.available(labeler) == [hard]


def test_no_settlement_is_lost_when_many_happen_at_once(stage: Stage) -> None:
    labeler = person()
    mission_ids = [stage.answered_mission({labeler: "timeout"}, coin_reward=1) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(stage.settle, mission_ids))
    profile = stage.profile(labeler)
    assert (profile.xp, profile.xp_pending, profile.coins) == (16 * 50, 0, 116)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "complete", "undo", "settle", "wait"]),
        st.integers(0, 2),
        st.sampled_from(["timeout", "assertion"]),
    ),
    max_size=30,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_in_whatever_order_the_profile_is_the_sum_of_the_ledger(
    stage: Stage, steps: list[tuple[str, int, str]]
) -> None:
    stage = Stage(stage.database, TenantId(new_tenant_id(stage)))
    people = [person() for _ in range(3)]
    missions = [stage.mission(slot_count=2, xp_reward=40 + index, coin_reward=index) for index in range(4)]
    # The model: who answered what last, and what was settled; nothing of the ledger.
    answers: dict[tuple[uuid.UUID, int], str] = {}
    settled: dict[uuid.UUID, str] = {}
    for step, who, label in steps:
        take_step(stage, step, people[who], label)
        for mission_id in missions:
            view = stage.view(mission_id, people[who])
            answers.pop((mission_id, who), None)
            if view.answer is not None:
                answers[mission_id, who] = view.answer.label
            if view.settled_label is not None:
                settled[mission_id] = view.settled_label
    for who, user_id in enumerate(people):
        own = {mission_id: label for (mission_id, labeler), label in answers.items() if labeler == who}
        paid = [mission_id for mission_id, label in own.items() if settled.get(mission_id) == label]
        waiting = [mission_id for mission_id in own if mission_id not in settled]
        profile = stage.profile(user_id)
        assert profile.xp == sum(40 + missions.index(mission_id) for mission_id in paid)
        assert profile.coins == 100 + sum(missions.index(mission_id) for mission_id in paid)
        assert profile.xp_pending == sum(40 + missions.index(mission_id) for mission_id in waiting)
        assert profile.total_missions_completed == len(own)
    per_assignment = stage.query("SELECT assignment_id, kind FROM xp_ledger")
    assert max(Counter(per_assignment).values(), default=1) == 1


def new_tenant_id(stage: Stage) -> uuid.UUID:
    from sqlalchemy import text

    tenant_id = uuid.uuid4()
    with stage.database.platform_transaction() as session:
        create = text("SELECT platform.create_tenant(:id, :slug, false)")
        session.execute(create, {"id": tenant_id, "slug": f"t-{tenant_id}"})
    return tenant_id


def take_step(stage: Stage, step: str, user_id: uuid.UUID, label: str) -> None:
    """One step of a random life: the first mission it can be done to, or none."""
    if step == "wait":
        stage.wait(seconds=6)
        return
    if step == "claim":
        stage.next(user_id, count=2)
        return
    with stage.arcade(user_id) as arcade:
        held = arcade.active(labeler_id=user_id)
        done = arcade.completed(labeler_id=user_id, limit=1)
    if step == "complete" and held:
        stage.complete(held[0].id, user_id, label, token=held[0].fencing_token)
    if step == "undo" and done and done[0].state == "open" and is_fresh(stage, done[0].completed_at):
        stage.undo(done[0].id, user_id, done[0].fencing_token)
    if step == "settle" and done:
        with stage.arcade(None, Role.OWNER) as arcade:
            if arcade.lock_if_answered(done[0].id):
                arcade.settle(done[0].id, label)


def is_fresh(stage: Stage, completed_at: object) -> bool:
    return (stage.clock.now() - completed_at).total_seconds() <= 10
