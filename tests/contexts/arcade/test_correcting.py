"""The ledger: only ever added to, whoever asks; corrected by new rows with reason and cause, each cause once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from shifty_pipelines.contexts.arcade.domain.profiles import CorrectionReason, LedgerLine
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NothingToCorrect, NotSettleable
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, UserId
from tests.contexts.arcade.stage import Stage, person


def correct(
    stage: Stage, mission_id: uuid.UUID, labeler: UserId, *, is_right: bool = False, cause_id: uuid.UUID | None = None
) -> list[LedgerLine]:
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        return arcade.correct(
            mission_id,
            labeler_id=labeler,
            is_right=is_right,
            reason=CorrectionReason.DISPUTE_UPHELD,
            cause_id=cause_id or uuid.uuid4(),
        )


def settled_mission(stage: Stage, labeler: UserId, label: str = "timeout", **wanted: Any) -> uuid.UUID:
    mission_id = stage.answered_mission({labeler: label}, **wanted)
    stage.settle(mission_id, "timeout")
    return mission_id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE xp_ledger SET xp = 1000000",
        "DELETE FROM xp_ledger",
        "TRUNCATE xp_ledger",
        "UPDATE labeler_work SET zone = 'UTC'",
    ],
)
def test_the_database_refuses_the_application_to_change_what_is_written(stage: Stage, statement: str) -> None:
    settled_mission(stage, person())
    with pytest.raises(DBAPIError, match="permission denied"):
        stage.query(statement)


def test_a_payment_is_taken_back_by_a_row_that_says_why(stage: Stage) -> None:
    labeler, cause_id = person(), uuid.uuid4()
    mission_id = settled_mission(stage, labeler, xp_reward=55, coin_reward=4)
    rows = correct(stage, mission_id, labeler, cause_id=cause_id)
    assert [(row.kind, row.xp, row.coins, row.reason, row.cause_id) for row in rows] == [
        ("settled", 55, 4, None, None),
        ("correction", -55, -4, "dispute_upheld", cause_id),
    ]
    assert (stage.profile(labeler).xp, stage.profile(labeler).coins) == (0, 100)
    with stage.arcade(labeler) as arcade:
        newest = arcade.ledger(labeler_id=labeler, limit=10)
    assert {row.kind for row in newest} == {"pending", "settled", "correction"}
    assert stage.query("SELECT count(*) FROM audit_events WHERE action = 'payment.corrected'") == [(1,)]


def test_the_same_cause_books_once_even_at_once_and_another_cause_finds_nothing_left(stage: Stage) -> None:
    labeler, cause_id = person(), uuid.uuid4()
    mission_id = settled_mission(stage, labeler)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: len(correct(stage, mission_id, labeler, cause_id=cause_id)), range(8)))
    assert answers == [2] * 8
    assert stage.query("SELECT sum(xp) FROM xp_ledger") == [(0,)]
    with pytest.raises(NothingToCorrect, match="is not paid already"):
        correct(stage, mission_id, labeler)


def test_a_wrong_answer_that_was_right_after_all_is_paid_and_that_can_be_taken_back_again(stage: Stage) -> None:
    labeler = person()
    mission_id = settled_mission(stage, labeler, "assertion", xp_reward=45)
    assert stage.profile(labeler).xp == 0
    correct(stage, mission_id, labeler, is_right=True)
    assert stage.profile(labeler).xp == 45
    correct(stage, mission_id, labeler, is_right=False)
    assert stage.profile(labeler).xp == 0
    assert stage.query("SELECT sum(right_count), sum(settled_count) FROM xp_ledger") == [(0, 1)]


def test_what_was_paid_without_a_judgement_is_on_no_board_and_its_correction_on_none_either(stage: Stage) -> None:
    labeler = person()
    mission_id = stage.mission(slot_count=2)
    stage.assign(mission_id, labeler)
    stage.complete(mission_id, labeler)
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        arcade.cancel(mission_id)
    assert stage.profile(labeler).xp == 50
    assert stage.query("SELECT count(*) FROM leaderboard_scores WHERE board <> 'streak'") == [(0,)]
    correct(stage, mission_id, labeler)
    assert stage.profile(labeler).xp == 0
    assert stage.query("SELECT sum(settled_count), sum(right_count) FROM xp_ledger") == [(0, 0)]
    assert stage.query("SELECT count(*) FROM leaderboard_scores WHERE board <> 'streak'") == [(0,)]


def test_what_is_not_settled_or_not_answered_is_not_corrected(stage: Stage) -> None:
    labeler = person()
    with pytest.raises(NotFound):
        correct(stage, uuid.uuid4(), labeler)
    mission_id = stage.answered_mission({labeler: "timeout"})
    with pytest.raises(NotSettleable, match="not paid for yet"):
        correct(stage, mission_id, labeler)
    with pytest.raises(NotSettleable, match="has given no answer"):
        correct(stage, mission_id, person())


def test_labelers_correct_nothing(stage: Stage) -> None:
    labeler = person()
    mission_id = settled_mission(stage, labeler, "assertion")
    with stage.arcade(labeler) as arcade, pytest.raises(LeadsOnly):
        arcade.correct(
            mission_id, labeler_id=labeler, is_right=True, reason=CorrectionReason.MISTAKE, cause_id=uuid.uuid4()
        )


def test_a_correction_counts_on_the_boards_of_the_day_it_corrects(stage: Stage) -> None:
    labeler, scores = person(), "SELECT board, score FROM leaderboard_scores WHERE board LIKE 'xp%' ORDER BY board"
    first = settled_mission(stage, labeler)
    stage.wait(days=35)
    settled_mission(stage, labeler)
    correct(stage, first, labeler)
    # 2 March is corrected; 6 April, its week and its month are as they were.
    assert stage.query(f"{scores}, starts_on") == [
        ("xp_all_time", 50), ("xp_daily", 0), ("xp_daily", 50), ("xp_monthly", 0), ("xp_monthly", 50),
        ("xp_weekly", 0), ("xp_weekly", 50),
    ]  # fmt: skip


def test_a_level_that_was_corrected_away_takes_its_badge_with_it(stage: Stage) -> None:
    labeler = person()
    mission_id = settled_mission(stage, labeler)
    history = settled_mission(stage, labeler)
    add_xp(stage, labeler, history, 9_000 - 150)
    settled_mission(stage, labeler)
    assert "level_10" in stage.profile(labeler).badges
    correct(stage, mission_id, labeler)
    assert (stage.profile(labeler).level, "level_10" in stage.profile(labeler).badges) == (9, False)


def add_xp(stage: Stage, labeler: UserId, mission_id: uuid.UUID, xp: int) -> None:
    """A history that would take 180 missions, as one correction of one mission."""
    stage.execute(
        "INSERT INTO xp_ledger (tenant_id, id, labeler_id, mission_id, assignment_id, kind, xp, coins, xp_pending,"
        " coins_pending, created_at, reason, cause_id) SELECT tenant_id, gen_random_uuid(), labeler_id, mission_id, id,"
        " 'correction', :xp, 0, 0, 0, now(), 'mistake', gen_random_uuid() FROM mission_slots"
        " WHERE labeler_id = :u AND mission_id = :m AND tenant_id = :t",
        u=labeler, m=mission_id, xp=xp,
    )  # fmt: skip
