"""The first story, whole: labels, a question, two who agree, a settlement, over the real outbox."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotSettleable, UndoTooLate
from shifty_pipelines.contexts.curation.errors import UnknownLabel
from shifty_pipelines.flows.settle_mission import settle_on_label
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import MONDAY_NOON, person
from tests.flows.stage import FlowStage

STATE = "SELECT state, settled_label, slot_count, open_slots FROM missions"
SETTLED_ROWS = "SELECT xp FROM xp_ledger WHERE kind = 'settled'"


def news_of(stage: FlowStage, mission_id: uuid.UUID) -> DeliveredEvent:
    return DeliveredEvent(
        id=uuid.uuid4(),
        tenant_id=stage.tenant_id,
        type="curation.label_recorded",
        occurred_at=MONDAY_NOON,
        payload={"mission_id": str(mission_id)},
    )


def react(stage: FlowStage, mission_id: uuid.UUID) -> None:
    with stage.services(None, Role.OWNER) as services:
        settle_on_label(services, news_of(stage, mission_id))


def posterior_of(stage: FlowStage, item_id: uuid.UUID) -> dict[str, float]:
    with stage.services(stage.lead, Role.OWNER) as services:
        return dict(services.curation.posterior(item_id))


def test_two_members_who_agree_settle_a_question_and_are_paid(alone: tuple[FlowStage, Database]) -> None:
    stage, worker = alone
    stage.set_labels()
    mission = stage.question(slot_count=2, xp_reward=60)
    first, second = person(), person()
    for labeler in (first, second):
        assert [view.id for view in stage.next(labeler)] == [mission.id]
        assert stage.answer(mission.id, labeler, "timeout").xp_pending == 60
    stage.dispatcher(worker).drain()
    assert stage.query(STATE) == [("settled", "timeout", 2, 0)]
    for labeler in (first, second):
        profile = stage.profile(labeler)
        assert (profile.xp, profile.xp_pending, profile.accuracy) == (60, 0, None)
    assert stage.query("SELECT status FROM outbox_deliveries") == [("done",), ("done",)]


def test_one_answer_of_three_settles_nothing(alone: tuple[FlowStage, Database]) -> None:
    stage, worker = alone
    stage.set_labels()
    mission = stage.question()
    for expected_open in (2, 1):
        stage.take_and_answer(mission.id, person(), "timeout")
        stage.dispatcher(worker).drain()
        assert stage.query(STATE) == [("open", None, 3, expected_open)]
    stage.take_and_answer(mission.id, person(), "timeout")
    stage.dispatcher(worker).drain()
    assert stage.query(STATE) == [("settled", "timeout", 3, 0)]


def test_two_dispatchers_at_once_settle_once(alone: tuple[FlowStage, Database]) -> None:
    stage, worker = alone
    stage.set_labels()
    missions = [stage.question(slot_count=2) for _ in range(10)]
    for mission in missions:
        for _ in range(2):
            stage.take_and_answer(mission.id, person(), "network")
    barrier = Barrier(2)

    def dispatch(_: int) -> int:
        barrier.wait()
        return stage.dispatcher(worker).drain()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(dispatch, range(2)))
    assert stage.query(SETTLED_ROWS) == [(50,)] * 20
    assert stage.query("SELECT count(*) FROM outbox_events WHERE type = 'arcade.mission_settled'") == [(10,)]


def test_two_reactions_to_the_last_labels_at_once_pay_once(stage: FlowStage) -> None:
    stage.set_labels()
    mission = stage.question(slot_count=2)
    for _ in range(2):
        stage.take_and_answer(mission.id, person(), "network")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: react(stage, mission.id), range(8)))
    assert stage.query(SETTLED_ROWS) == [(50,), (50,)]


def test_two_reactions_to_a_disagreement_at_once_add_one_slot(stage: FlowStage) -> None:
    stage.set_labels()
    mission = stage.question(slot_count=2)
    for label in ("network", "timeout"):
        stage.take_and_answer(mission.id, person(), label)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: react(stage, mission.id), range(8)))
    assert stage.query(STATE) == [("open", None, 3, 1)]


def test_a_disagreement_is_asked_on_until_the_posterior_is_high_enough(stage: FlowStage) -> None:
    # Three labels, everybody right 8 times in 10, so any other label has probability .1.
    # 1 : 1       .08 / (.08 + .08 + .01)               = .4706   ask again
    # 2 : 1       .064 / (.064 + .008 + .001)           = .8767   ask again
    # 3 : 1       .0512 / (.0512 + .0008 + .0001)       = .9827   settled
    stage.set_labels()
    mission = stage.question(slot_count=2)
    wrong, *right = [person() for _ in range(4)]
    stage.take_and_answer(mission.id, wrong, "network")
    stage.take_and_answer(mission.id, right[0], "timeout")
    assert posterior_of(stage, mission.item_id)["timeout"] == pytest.approx(0.08 / 0.17)
    react(stage, mission.id)
    assert stage.query(STATE) == [("open", None, 3, 1)]
    stage.take_and_answer(mission.id, right[1], "timeout")
    assert posterior_of(stage, mission.item_id)["timeout"] == pytest.approx(0.064 / 0.073)
    react(stage, mission.id)
    assert stage.query(STATE) == [("open", None, 4, 1)]
    stage.take_and_answer(mission.id, right[2], "timeout")
    assert posterior_of(stage, mission.item_id)["timeout"] == pytest.approx(0.0512 / 0.0521)
    react(stage, mission.id)
    assert stage.query(STATE) == [("settled", "timeout", 4, 0)]
    assert [stage.profile(labeler).xp for labeler in (wrong, *right)] == [0, 53, 53, 53]


def dispute(stage: FlowStage) -> uuid.UUID:
    """Seven answers 3 : 2 : 2; each of the first six leaves at most .8, the seventh .512e-4 / .64e-4 = .8."""
    stage.set_labels()
    mission = stage.question(slot_count=3)
    for label in ("timeout", "network", "assertion", "timeout", "network", "assertion", "timeout"):
        stage.take_and_answer(mission.id, person(), label)
        react(stage, mission.id)
    assert stage.query(STATE) == [("disputed", None, 7, 0)]
    assert posterior_of(stage, mission.item_id)["timeout"] == pytest.approx(0.8)
    return mission.id


def test_seven_who_disagree_leave_it_to_a_lead_whose_word_is_then_certain(stage: FlowStage) -> None:
    mission_id = dispute(stage)
    item_id = stage.view(mission_id, stage.lead).item_id
    view = stage.adjudicate(mission_id, "assertion")
    assert (view.state, view.settled_label) == ("settled", "assertion")
    assert posterior_of(stage, item_id) == {"assertion": 1.0, "network": 0.0, "timeout": 0.0}
    assert sorted(stage.query(SETTLED_ROWS)) == [(0,)] * 5 + [(58,)] * 2  # 50, and 5/7 of a quarter
    assert stage.query("SELECT labeler_id, label FROM label_events WHERE source = 'adjudication'") == [
        (stage.lead, "assertion")
    ]
    audited = stage.query("SELECT actor_id, object_id, details FROM audit_events WHERE action = 'mission.adjudicated'")
    assert audited == [(stage.lead, str(mission_id), {"label": "assertion"})]


def test_adjudicating_again_changes_nothing_and_otherwise_is_refused(stage: FlowStage) -> None:
    mission_id = dispute(stage)
    stage.adjudicate(mission_id, "network")
    assert stage.adjudicate(mission_id, "network").settled_label == "network"
    assert stage.query("SELECT count(*) FROM label_events WHERE source = 'adjudication'") == [(1,)]
    with pytest.raises(NotSettleable):
        stage.adjudicate(mission_id, "timeout")


def test_members_and_the_platform_itself_adjudicate_nothing(stage: FlowStage) -> None:
    mission_id = dispute(stage)
    with pytest.raises(LeadsOnly):
        stage.adjudicate(mission_id, "network", Role.MEMBER)
    stage.lead = None  # type: ignore[assignment]
    with pytest.raises(LeadsOnly):
        stage.adjudicate(mission_id, "network")


def test_adjudication_knows_the_labels_too(stage: FlowStage) -> None:
    mission_id = dispute(stage)
    with pytest.raises(
        UnknownLabel, match="'gremlins' is not a label here; choose one of: assertion, network, timeout"
    ):
        stage.adjudicate(mission_id, "gremlins")


def test_an_answer_taken_back_does_not_count_at_settlement(stage: FlowStage) -> None:
    stage.set_labels()
    mission = stage.question(slot_count=2)
    hasty, sure = person(), person()
    token = stage.assign(mission.id, hasty).fencing_token
    assert token is not None
    stage.answer(mission.id, hasty, "network", fencing_token=token)
    stage.take_back(mission.id, hasty, token)
    stage.take_back(mission.id, hasty, token)  # the client asks twice
    assert posterior_of(stage, mission.item_id) == pytest.approx(
        dict.fromkeys(("assertion", "network", "timeout"), 1 / 3)
    )
    stage.take_and_answer(mission.id, sure, "timeout")
    react(stage, mission.id)
    assert stage.query(STATE)[0].state == "open"  # the first slot is in hasty's hands again
    stage.answer(mission.id, hasty, "timeout", fencing_token=token + 1)
    react(stage, mission.id)
    assert stage.query(STATE) == [("settled", "timeout", 2, 0)]
    assert stage.query(
        "SELECT kind, label FROM label_events WHERE labeler_id = :id ORDER BY kind, label", id=hasty
    ) == [
        ("label", "network"),
        ("label", "timeout"),
        ("tombstone", None),
    ]
    with pytest.raises(UndoTooLate):
        stage.take_back(mission.id, hasty, token + 1)


def test_a_reaction_to_a_mission_that_is_gone_does_nothing(stage: FlowStage) -> None:
    react(stage, uuid.uuid4())
    assert stage.query("SELECT count(*) FROM outbox_events") == [(0,)]
