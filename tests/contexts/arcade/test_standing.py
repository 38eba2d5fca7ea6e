"""Profiles: always the sum of the ledger."""

import contextlib
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.arcade.domain.missions import MissionView
from shifty_pipelines.contexts.arcade.domain.profiles import CorrectionReason
from shifty_pipelines.contexts.arcade.errors import (
    EnoughHeld,
    LeadsOnly,
    NotEnoughCoins,
    NothingToCorrect,
    NotSettleable,
)
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, TenantId, UserId
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
    assert stage.query("SELECT object_id FROM audit_events WHERE action = 'profile.changed'") == [(str(labeler),)]


def test_accuracy_is_the_share_of_settled_answers_that_were_right_from_twenty_on(stage: Stage) -> None:
    labeler = person()
    for number in range(20):
        assert stage.profile(labeler).accuracy is None, f"shown after {number} answers"
        label = "assertion" if number % 4 == 3 else "timeout"
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
    # 2 March 2026 is a day of three right answers, for 15 XP and 5 coins: paid once, whoever settles the third.
    assert (profile.xp, profile.xp_pending, profile.coins) == (16 * 50 + 15, 0, 100 + 16 + 5)


STEP_NAMES = ["claim", "complete", "complete", "undo", "settle", "settle", "correct", "buy", "wait", "sleep"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(STEP_NAMES),
        st.integers(0, 2),
        st.sampled_from(["timeout", "assertion"]),
    ),
    max_size=60,
)


#: Two labelers answer two missions, one alike and one differently; both are settled, and one payment is taken back.
TWO_ANSWERS = [
    *(("claim", who, "timeout") for who in (0, 1)),
    ("complete", 0, "timeout"),
    ("complete", 1, "timeout"),
    ("settle", 0, "timeout"),
    ("wait", 0, "timeout"),
    ("complete", 0, "timeout"),
    ("complete", 1, "assertion"),
    ("settle", 1, "timeout"),
    ("correct", 0, "timeout"),
    ("buy", 0, "timeout"),
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=TWO_ANSWERS)
def test_whatever_happens_in_whatever_order_the_profile_is_the_sum_of_the_ledger(
    stage: Stage, steps: list[tuple[str, int, str]]
) -> None:
    stage = Stage(stage.database, TenantId(new_tenant_id(stage)))
    people = [person() for _ in range(3)]
    for index in range(8):
        stage.mission(slot_count=2, xp_reward=40 + index, coin_reward=index)
    for step, who, label in steps:
        take_step(stage, step, people[who], label)
    for user_id in people:
        assert_profile_is_its_ledger(stage, user_id)
    assert_boards_are_the_ledger(stage)
    for row in stage.query("SELECT id FROM labeler_streaks"):
        with stage.arcade(row.id) as arcade:
            assert arcade.game.state(row.id) == arcade.game.recomputed(row.id)
    promises = stage.query("SELECT assignment_id, kind FROM xp_ledger WHERE cause_id IS NULL")
    assert max(Counter(promises).values(), default=1) == 1


def assert_profile_is_its_ledger(stage: Stage, user_id: UserId) -> None:
    """The reference: what the missions, their settlements and the booked causes say, row by row."""
    profile = stage.profile(user_id)
    sums = "SELECT coalesce(sum(xp), 0), 100 + coalesce(sum(coins), 0), coalesce(sum(xp_pending), 0) FROM xp_ledger"
    assert stage.query(f"{sums} WHERE labeler_id = :u", u=user_id) == [(profile.xp, profile.coins, profile.xp_pending)]
    assert profile.coins >= 0
    own = stage.query(
        """SELECT slot.id, mission.state, mission.xp_reward,
        slot.result ->> 'label' = mission.settled_label AS is_right,
        (SELECT count(*) FROM mission_slots AS other WHERE other.mission_id = mission.id AND other.state = 'completed'
          AND NOT other.is_extra AND other.result ->> 'label' = mission.settled_label)::numeric
        / (SELECT count(*) FROM mission_slots AS other WHERE other.mission_id = mission.id AND other.state = 'completed'
          AND NOT other.is_extra) AS agreement
        FROM mission_slots AS slot JOIN missions AS mission ON mission.id = slot.mission_id
        WHERE slot.labeler_id = :u AND slot.state = 'completed' AND NOT slot.is_extra""",
        u=user_id,
    )
    assert profile.total_missions_completed == len(own)
    assert profile.xp_pending == sum(row.xp_reward for row in own if row.state == "open")
    paid = {
        row.id: min(60, row.xp_reward + int(row.xp_reward * (1 - row.agreement) / 4)) if row.is_right else 0
        for row in own
        if row.state == "settled"
    }
    booked = stage.query(
        "SELECT assignment_id, sum(xp) AS xp, bool_or(kind = 'correction') AS is_corrected FROM xp_ledger"
        " WHERE labeler_id = :u AND kind IN ('settled', 'correction') GROUP BY assignment_id",
        u=user_id,
    )
    assert {row.assignment_id for row in booked} == set(paid)
    assert all(row.xp == (0 if row.is_corrected else paid[row.assignment_id]) for row in booked)


def assert_boards_are_the_ledger(stage: Stage) -> None:
    """Every score of every window is the sum of the ledger over that window's days."""
    for period in ("all_time", "month", "week", "day"):
        board = {"month": "monthly", "week": "weekly", "day": "daily"}.get(period, period)
        start = "date '1970-01-01'" if period == "all_time" else f"date_trunc('{period}', scored_on)::date"
        for measure, column in (("xp", "xp"), ("missions", "right_count")):
            sums = stage.query(
                f"SELECT labeler_id, {start}, sum({column}) FROM xp_ledger WHERE scored_on IS NOT NULL"
                f" GROUP BY 1, 2 HAVING sum({column}) <> 0"
            )
            scores = stage.query(
                "SELECT labeler_id, starts_on, score FROM leaderboard_scores WHERE board = :b AND score <> 0",
                b=f"{measure}_{board}",
            )
            assert sorted(map(tuple, scores)) == sorted(map(tuple, sums))
    counts = "SELECT labeler_id, {0}(settled_count), {0}(right_count) FROM {1} GROUP BY 1 ORDER BY 1"
    tallies = stage.query(counts.format("sum", "xp_ledger WHERE settled_count <> 0 OR right_count <> 0"))
    assert stage.query(counts.format("max", "leaderboard_scores WHERE board = 'accuracy'")) == tallies


def new_tenant_id(stage: Stage) -> uuid.UUID:
    from sqlalchemy import text

    tenant_id = uuid.uuid4()
    with stage.database.platform_transaction() as session:
        create = text("SELECT platform.create_tenant(:id, :slug, false)")
        session.execute(create, {"id": tenant_id, "slug": f"t-{tenant_id}"})
    return tenant_id


def take_step(stage: Stage, step: str, user_id: UserId, label: str) -> None:
    """One step of a random life: the first mission it can be done to, or none."""
    if step in ("wait", "sleep"):
        stage.wait(seconds=6 if step == "wait" else 13 * 3600)
    elif step == "claim":
        stage.next(user_id, count=2)
    elif step == "buy":
        with contextlib.suppress(NotEnoughCoins, EnoughHeld), stage.arcade(user_id) as arcade:
            arcade.buy("streak_freeze", labeler_id=user_id)
    else:
        with stage.arcade(user_id) as arcade:
            held = arcade.active(labeler_id=user_id)
            done = arcade.completed(labeler_id=user_id, limit=1)
        take_step_with(stage, step, user_id, label, held[:1] if step == "complete" else done)


def take_step_with(stage: Stage, step: str, user_id: UserId, label: str, views: list[MissionView]) -> None:
    for view in views:
        if step == "complete":
            stage.complete(view.id, user_id, label, token=view.fencing_token)
        if step == "undo" and view.state == "open" and is_fresh(stage, view.completed_at):
            stage.undo(view.id, user_id, view.fencing_token or 0)
        if step == "correct" and view.state == "settled":
            with contextlib.suppress(NothingToCorrect, NotSettleable), stage.arcade(None, Role.OWNER) as arcade:
                reason = CorrectionReason.MISTAKE
                arcade.correct(view.id, labeler_id=user_id, is_right=False, reason=reason, cause_id=uuid.uuid4())
        if step == "settle":
            with stage.arcade(None, Role.OWNER) as arcade:
                if arcade.lock_if_answered(view.id):
                    arcade.settle(view.id, label)


def is_fresh(stage: Stage, completed_at: object) -> bool:
    return (stage.clock.now() - completed_at).total_seconds() <= 10
