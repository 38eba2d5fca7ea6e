"""Which mission comes next, to whom, and that finding it costs the same in a short queue and a long one."""

import json
import uuid
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import postgresql

from shifty_pipelines.contexts.arcade.domain.missions import MissionType, NewMission
from shifty_pipelines.contexts.arcade.errors import NotOffered
from shifty_pipelines.contexts.arcade.repository.queue import Offer
from shifty_pipelines.kernel.tenant import Role
from tests.conftest import TestServer
from tests.contexts.arcade.stage import Stage, person

CLAIM_READS = 4  # the mission claimed, found once for its level and once to be locked, and a spare


def set_uncertainty(stage: Stage, mission_id: uuid.UUID, uncertainty: float) -> None:
    with stage.arcade(None, Role.OWNER) as arcade:
        arcade.note_uncertainty(mission_id, uncertainty)


def order_of_queue(stage: Stage, count: int) -> list[uuid.UUID]:
    return [stage.next(person())[0].id for _ in range(count)]


def test_the_least_certain_mission_comes_first(stage: Stage) -> None:
    missions = [stage.mission(slot_count=1) for _ in range(3)]
    for mission_id, uncertainty in zip(missions, (0.2, 0.9, 0.5), strict=True):
        set_uncertainty(stage, mission_id, uncertainty)
    assert order_of_queue(stage, 3) == [missions[1], missions[2], missions[0]]


def test_a_day_of_waiting_is_worth_a_whole_uncertainty(stage: Stage) -> None:
    # 0.25 more uncertainty is worth 6 hours.
    old = stage.mission(slot_count=1)
    set_uncertainty(stage, old, 0.5)
    stage.wait(hours=5, minutes=59)
    uncertain = stage.mission(slot_count=1)
    set_uncertainty(stage, uncertain, 0.75)
    stage.wait(minutes=2)
    later = stage.mission(slot_count=1)
    set_uncertainty(stage, later, 0.75)
    assert order_of_queue(stage, 3) == [uncertain, old, later]


def test_priority_goes_before_uncertainty(stage: Stage) -> None:
    stage.mission(slot_count=1)
    urgent = stage.mission(slot_count=1, priority=1)
    set_uncertainty(stage, urgent, 0.0)
    assert order_of_queue(stage, 1) == [urgent]


def test_of_two_levels_the_better_mission_comes_first(stage: Stage) -> None:
    labeler = person()
    for _ in range(2):  # 120 XP: level 2
        stage.settle(stage.answered_mission({labeler: "timeout"}, xp_reward=60))
    easy = stage.mission(slot_count=1)
    hard = stage.mission(slot_count=1, required_skill_level=2, priority=1)
    stage.mission(slot_count=1, required_skill_level=3, priority=2)
    assert {view.id for view in stage.next(labeler)} == {hard}
    assert {view.id for view in stage.next(labeler, count=5)} == {hard, easy}
    assert stage.next(person()) == []


def test_nobody_gets_a_mission_they_made_or_whose_error_they_reported(stage: Stage) -> None:
    author, reporter = stage.lead, person()
    new = NewMission(type=MissionType.CLASSIFY_ERROR, title="Why?", reported_by=reporter)
    with stage.arcade(author, Role.OWNER) as arcade:
        mission_id = arcade.create(new, item_id=uuid.uuid4()).id
    for own, reason in ((author, "you made it yourself"), (reporter, "you reported the error")):
        assert stage.next(own) == []
        assert stage.available(own) == []
        with pytest.raises(NotOffered, match=reason):
            stage.assign(mission_id, own)
    assert [view.id for view in stage.next(person())] == [mission_id]


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that the scans of a plan read: those they passed on and those they threw away."""
    own = 0
    if "Scan" in plan["Node Type"] and plan["Node Type"] != "Function Scan":
        rows = (
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
        own = round(rows * plan["Actual Loops"])
    return own + sum(rows_read(child) for child in plan.get("Plans", ()))


def explained(stage: Stage, statement: Select[Any]) -> dict[str, Any]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    sql = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    with stage.database.tenant_transaction(stage.tenant_id) as scope:
        found = scope.session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}").scalar_one()
    plans = json.loads(found) if isinstance(found, str) else found
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def fill(stage: Stage, count: int, *, level: int = 1, priority: int = 0) -> None:
    """Open missions, made directly: as many as nobody wants to make one by one."""
    with stage.database.tenant_transaction(stage.tenant_id) as scope:
        scope.session.execute(
            text(
                "INSERT INTO missions (tenant_id, id, item_id, type, difficulty, state, title, description,"
                " instructions, xp_reward, coin_reward, time_estimate_minutes, required_skill_level, priority,"
                " slot_count, open_slots, next_token, created_at, updated_at, uncertainty)"
                " SELECT :t, gen_random_uuid(), gen_random_uuid(), (ARRAY['classify_error', 'verify_fix'])[n % 2 + 1],"
                " 'beginner', 'open', 't', '', '', 50, 0, 5, :level, :priority, 3, 3, 1,"
                " now() - n * interval '1 second', now(), random() FROM generate_series(1, :n) n"
            ),
            {"t": stage.tenant_id, "n": count, "level": level, "priority": priority},
        )


def reads_of_a_claim(stage: Stage, mission_type: MissionType | None, level: int) -> int:
    offer = Offer(labeler_id=person(), level=level, mission_type=mission_type, now=stage.clock.now())
    with stage.arcade(None, Role.OWNER) as arcade:
        looks = [arcade.repository.levels_on_offer(offer), arcade.repository.next_at_level(offer, 1)]
    return sum(rows_read(explained(stage, statement)) for statement in looks)


@pytest.mark.parametrize("mission_type", [None, MissionType.VERIFY_FIX], ids=["any type", "one type"])
def test_a_claim_reads_as_few_rows_of_forty_thousand_missions_as_of_a_thousand(
    stage: Stage, postgres: TestServer, database_name: str, mission_type: MissionType | None
) -> None:
    reads = []
    for count in (1_000, 39_000):
        fill(stage, count)
        with postgres.admin(database_name) as admin:
            admin.execute("ANALYZE missions")
        reads.append(reads_of_a_claim(stage, mission_type, level=1))
    assert reads[0] == reads[1] <= CLAIM_READS


def test_missions_above_ones_level_cost_nothing(stage: Stage, postgres: TestServer, database_name: str) -> None:
    fill(stage, 100)
    fill(stage, 10_000, level=9, priority=5)
    with postgres.admin(database_name) as admin:
        admin.execute("ANALYZE missions")
    assert reads_of_a_claim(stage, None, level=8) <= CLAIM_READS
