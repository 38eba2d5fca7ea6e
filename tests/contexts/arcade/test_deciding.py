"""Deployments: a quorum of people with the duty, one rejection rejects, and the same pay for every decision."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import Answer, MissionType, MissionView
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotAnApprover, NotSettleable, UndoTooLate
from shifty_pipelines.contexts.arcade.service import ArcadeService
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.tenant import Actor, Role, UserId
from shifty_pipelines.kernel.work import begin_work
from tests.contexts.arcade.stage import Stage, person

DUTY = frozenset({"deployment_approver"})
STATE = "SELECT state, decision, outcome, settled_label FROM missions"


@contextmanager
def approver(stage: Stage, user_id: UserId, grants: frozenset[str] = DUTY) -> Iterator[ArcadeService]:
    actor = Actor(tenant_id=stage.tenant_id, user_id=user_id, role=Role.MEMBER, grants=grants)
    with stage.database.tenant_transaction(stage.tenant_id) as scope:
        yield ArcadeService(begin_work(scope, actor, stage.clock, RandomIds()), stage.keys)


def deployment(stage: Stage, quorum: int = 2, **wanted: object) -> uuid.UUID:
    return stage.mission(type=MissionType.APPROVE_DEPLOYMENT, slot_count=quorum, xp_reward=300, **wanted)


def say(stage: Stage, mission_id: uuid.UUID, user_id: UserId, decision: str) -> int:
    with approver(stage, user_id) as arcade:
        token = arcade.assign(mission_id, labeler_id=user_id).fencing_token
    answer = Answer(label=decision, texts={"rationale": "marmalade"})
    with approver(stage, user_id) as arcade:
        slot = stage.keys.allocate(stage.tenant_id).start
        arcade.complete(mission_id, answer, labeler_id=user_id, item_key_slot=slot)
    assert token is not None
    return token


def decide(stage: Stage, mission_id: uuid.UUID) -> None:
    with stage.arcade(None, Role.OWNER) as arcade:
        arcade.decide(mission_id)


def report(stage: Stage, mission_id: uuid.UUID, outcome: str, role: Role = Role.OWNER) -> MissionView:
    with stage.arcade(stage.lead, role) as arcade:
        decided = arcade.lock_decided(mission_id, outcome)
        arcade.keep_outcome(mission_id, outcome)
        return arcade.settle(mission_id, decided.decision or "")


@pytest.mark.parametrize(
    ("said", "decision"),
    [(("approve", "approve"), "approve"), (("approve", "reject"), "reject"), (("reject", "reject"), "reject")],
    ids=["all approve", "one rejects", "all reject"],
)
@pytest.mark.parametrize("outcome", ["good", "bad"])
def test_all_who_decide_are_paid_the_same_once_the_outcome_is_known(
    stage: Stage, said: tuple[str, str], decision: str, outcome: str
) -> None:
    mission_id, people = deployment(stage), [person(), person()]
    for user_id, word in zip(people, said, strict=True):
        say(stage, mission_id, user_id, word)
    for _ in range(2):
        decide(stage, mission_id)
    assert stage.query(STATE) == [("decided", decision, None, None)]
    assert [(stage.profile(user_id).xp, stage.profile(user_id).xp_pending) for user_id in people] == [(0, 300)] * 2
    for _ in range(2):
        report(stage, mission_id, outcome)
    assert stage.query(STATE) == [("settled", decision, outcome, decision)]
    assert [(stage.profile(user_id).xp, stage.profile(user_id).accuracy) for user_id in people] == [(300, None)] * 2


def test_an_incomplete_quorum_rejects_when_its_time_is_over(stage: Stage) -> None:
    mission_id = deployment(stage, quorum=3, expires_at=stage.clock.now().replace(hour=13))
    for _ in range(2):
        say(stage, mission_id, person(), "approve")
    stage.wait(hours=1)
    with stage.arcade(None, Role.OWNER) as arcade:
        assert arcade.close_overdue() == 1
    assert stage.query(STATE) == [("decided", "reject", None, None)]
    events = stage.query("SELECT payload FROM outbox_events WHERE type = 'arcade.deployment_decided'")
    assert [(row.payload["approve_count"], row.payload["answer_count"]) for row in events] == [(2, 2)]


def test_only_people_with_the_duty_are_offered_one_and_only_by_name(stage: Stage) -> None:
    mission_id, somebody = deployment(stage), person()
    assert stage.next(somebody, mission_type=MissionType.APPROVE_DEPLOYMENT) == []
    assert stage.available(somebody) == []
    with pytest.raises(NotAnApprover, match="grant deployment_approver"):
        stage.assign(mission_id, somebody)
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(NotAnApprover):
        arcade.assign(mission_id, labeler_id=somebody)
    with approver(stage, somebody) as arcade:
        assert arcade.next(labeler_id=somebody) == []
        wanted = MissionType.APPROVE_DEPLOYMENT
        assert [view.id for view in arcade.next(labeler_id=somebody, mission_type=wanted)] == [mission_id]


def test_a_deployment_needs_four_eyes(stage: Stage) -> None:
    with pytest.raises(InvalidValue, match="a quorum of 2 to 7"):
        deployment(stage, quorum=1)


def test_outcomes_are_reported_by_leads_of_decided_deployments_and_stand(stage: Stage) -> None:
    mission_id = deployment(stage)
    with pytest.raises(NotSettleable, match="it is open"):
        report(stage, mission_id, "good")
    for _ in range(2):
        say(stage, mission_id, person(), "approve")
    decide(stage, mission_id)
    with pytest.raises(LeadsOnly):
        report(stage, mission_id, "good", Role.MEMBER)
    report(stage, mission_id, "bad")
    with pytest.raises(NotSettleable, match="'bad', which stands"):
        report(stage, mission_id, "good")


def test_a_decision_stands_once_the_quorum_is_complete_and_its_rationale_is_sealed(stage: Stage) -> None:
    mission_id, last = deployment(stage), person()
    say(stage, mission_id, person(), "approve")
    token = say(stage, mission_id, last, "approve")
    decide(stage, mission_id)
    with approver(stage, last) as arcade, pytest.raises(UndoTooLate, match="the mission is decided"):
        arcade.undo(mission_id, labeler_id=last, fencing_token=token)
    for row in stage.query("SELECT result::text, sealed FROM mission_slots"):
        assert "marmalade" not in row.result
        assert b"marmalade" not in row.sealed
    with approver(stage, last) as arcade:
        view = arcade.view(mission_id, labeler_id=last)
    assert view.answer is not None
    assert view.answer.texts == {"rationale": "marmalade"}
