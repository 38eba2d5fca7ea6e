"""Creating questions, their labels, and reading them."""

import threading
import uuid

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import NewMission
from shifty_pipelines.contexts.arcade.errors import MissionsOpen, RewardOutOfRange
from shifty_pipelines.contexts.curation.errors import InvalidLabels, ItemExists, LabelSetMissing
from shifty_pipelines.contexts.feedback.domain import ErrorReport, ErrorSource, ErrorText, Severity
from shifty_pipelines.flows.create_mission import create_mission, create_mission_about_error
from shifty_pipelines.flows.read_mission import read_mission, with_payloads
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import person
from tests.flows.stage import LABELS, TYPE, FlowStage

QUESTION = NewMission(type=TYPE, title="Which kind of error is this?")


def test_a_question_gets_its_types_defaults(stage: FlowStage) -> None:
    stage.set_labels()
    view = stage.question({"message": "boom"})
    assert (view.xp_reward, view.coin_reward, view.slot_count, view.status) == (50, 0, 3, "available")
    assert (view.difficulty, view.required_skill_level, view.payload) == ("beginner", 1, {"message": "boom"})
    audited = stage.query("SELECT object_id FROM audit_events WHERE action = 'mission.created'")
    assert audited == [(str(view.id),)]


def test_a_payload_is_sealed_and_opened_for_the_labeler(stage: FlowStage) -> None:
    stage.set_labels()
    payload = {"message": "marmalade \ud83d\ude00 \ud800", "steps": [1, {"deep": None}]}
    mission, labeler = stage.question(payload), person()
    [(sealed,)] = stage.query("SELECT sealed FROM items")
    assert b"marmalade" not in sealed
    with stage.services(labeler) as services:
        assert read_mission(services, mission.id, labeler_id=labeler).payload == payload
        views = services.arcade.next(labeler_id=labeler)
        assert views[0].payload is None
        assert [view.payload for view in with_payloads(services, views)] == [payload]


def test_an_erased_payload_is_gone_and_the_mission_still_reads(stage: FlowStage) -> None:
    stage.set_labels()
    mission, labeler = stage.question(), person()
    [(key_slot,)] = stage.query("SELECT key_slot FROM items")
    stage.keys.erase(stage.tenant_id, [key_slot])
    with stage.services(labeler) as services:
        assert read_mission(services, mission.id, labeler_id=labeler).payload is None


def test_a_type_without_labels_takes_no_questions_and_says_what_to_do(stage: FlowStage) -> None:
    with pytest.raises(LabelSetMissing, match=r"PUT them first: .*/label-sets/classify_error"):
        stage.question()


def test_a_refused_reward_leaves_no_item_behind(stage: FlowStage) -> None:
    stage.set_labels()
    with pytest.raises(RewardOutOfRange, match="xpReward is 61; a classify_error mission pays 40 to 60 XP"):
        stage.question(xp_reward=61)
    assert stage.query("SELECT count(*) FROM items") == [(0,)]


def test_a_mission_cannot_expire_before_it_begins(stage: FlowStage) -> None:
    stage.set_labels()
    with pytest.raises(InvalidValue, match="expiresAt"):
        stage.question(expires_at=stage.clock.now())


def test_a_source_sends_an_item_once(stage: FlowStage) -> None:
    stage.set_labels()

    def send(source: str) -> uuid.UUID:
        with stage.services(stage.lead, Role.OWNER) as services:
            return create_mission(services, QUESTION, payload={}, source=source, external_id="err-1").id

    send("feedback")
    with pytest.raises(ItemExists, match="'err-1' from 'feedback' exists already"):
        send("feedback")
    send("healing")
    assert stage.query("SELECT count(*) FROM missions") == [(2,)]


# -------------------------------------------------------------------------------------------------------------- labels


def test_labels_change_only_while_no_mission_waits(stage: FlowStage) -> None:
    stage.set_labels()
    assert stage.set_labels("a", "b") == ("a", "b")
    mission = stage.question(slot_count=1)
    with pytest.raises(MissionsOpen, match="1 classify_error missions are open or disputed"):
        stage.set_labels("a", "b", "c")
    assert stage.set_labels("a", "b") == ("a", "b")  # the same again is no change
    stage.take_and_answer(mission.id, person(), "a")
    stage.settle(mission.id, "a")
    assert stage.set_labels(*LABELS) == LABELS


def test_labels_do_not_change_under_a_mission_that_is_being_created(stage: FlowStage) -> None:
    stage.set_labels()
    refusals: list[Exception] = []
    is_started = threading.Event()

    def change() -> None:
        is_started.set()
        try:
            stage.set_labels("a", "b")
        except MissionsOpen as refusal:
            refusals.append(refusal)

    changer = threading.Thread(target=change)
    with stage.services(stage.lead, Role.OWNER) as services:
        create_mission(services, QUESTION, payload={})
        changer.start()
        is_started.wait()
        changer.join(0.3)
        assert changer.is_alive()  # waits for us
    changer.join(10)
    assert len(refusals) == 1


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        pytest.param(["a"], "There are 1 labels", id="too few"),
        pytest.param([str(n) for n in range(101)], "There are 101 labels", id="too many"),
        pytest.param(["a", "b", "a"], "'a' is there twice", id="twice"),
        pytest.param(["a", ""], "'' cannot be a label", id="empty"),
        pytest.param(["a", "x" * 101], "cannot be a label", id="too long"),
        pytest.param(["a", "b "], "'b ' cannot be a label", id="trailing space"),
        pytest.param(["a", "b\x00"], "cannot be a label", id="NUL"),
    ],
)
def test_a_label_set_that_breaks_a_rule_is_refused(stage: FlowStage, labels: list[str], problem: str) -> None:
    with stage.services(stage.lead, Role.OWNER) as services, pytest.raises(InvalidLabels, match=problem):
        set_labels(services, TYPE, labels)


def test_the_largest_label_set_is_accepted(stage: FlowStage) -> None:
    labels = [f"{n:0100d}" for n in range(100)]
    assert stage.set_labels(*labels) == tuple(labels)


def reported_error(stage: FlowStage) -> uuid.UUID:
    report = ErrorReport(
        source=ErrorSource.APPLICATION_LOGS,
        external_id="e-1",
        error_type="KeyError",
        severity=Severity.HIGH,
        environment="production",
        service="shop",
        text=ErrorText(message="'marmalade'", stack_trace="Traceback"),
    )
    with stage.services(stage.lead, Role.OWNER) as services:
        return services.feedback.record(report).id


def test_a_question_about_an_error_shows_the_labeler_the_whole_error(stage: FlowStage) -> None:
    stage.set_labels()
    error_id, labeler = reported_error(stage), person()
    with stage.services(stage.lead, Role.OWNER) as services:
        mission = create_mission_about_error(services, QUESTION, error_id)
    with stage.services(labeler) as services:
        payload = read_mission(services, mission.id, labeler_id=labeler).payload
    assert payload is not None
    assert (payload["errorType"], payload["message"], payload["stackTrace"]) == ("KeyError", "'marmalade'", "Traceback")


def test_the_error_and_its_item_lie_under_one_key_and_die_together(stage: FlowStage) -> None:
    stage.set_labels()
    error_id = reported_error(stage)
    with stage.services(stage.lead, Role.OWNER) as services:
        mission = create_mission_about_error(services, QUESTION, error_id)
    [item], [event] = (stage.query(f"SELECT key_slot, sealed FROM {table}") for table in ("items", "error_events"))
    assert item == event
    stage.keys.erase(stage.tenant_id, [item.key_slot])
    with stage.services(stage.lead, Role.OWNER) as services:
        assert read_mission(services, mission.id, labeler_id=stage.lead).payload is None


def test_an_error_gets_one_mission_of_a_type(stage: FlowStage) -> None:
    stage.set_labels()
    error_id = reported_error(stage)
    with stage.services(stage.lead, Role.OWNER) as services:
        create_mission_about_error(services, QUESTION, error_id)
    with pytest.raises(ItemExists), stage.services(stage.lead, Role.OWNER) as services:
        create_mission_about_error(services, QUESTION, error_id)


def test_an_unknown_error_gets_no_mission(stage: FlowStage) -> None:
    stage.set_labels()
    with pytest.raises(NotFound), stage.services(stage.lead, Role.OWNER) as services:
        create_mission_about_error(services, QUESTION, uuid.uuid4())
    assert stage.query("SELECT id FROM items") == []
