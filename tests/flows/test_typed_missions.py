"""All eight mission types through the flows: typed answers become labels, the queue learns, drafts and batches work."""

import uuid
from typing import Any

import pytest

from shifty_pipelines.contexts.arcade.domain.batches import NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import MissionType, NewMission
from shifty_pipelines.contexts.arcade.errors import InvalidAnswer, InvalidPayload, ItemErased, NotOffered
from shifty_pipelines.contexts.curation.domain.posterior import normalised_entropy
from shifty_pipelines.contexts.curation.errors import InvalidLabels, LabelSetMissing, UnknownLabel
from shifty_pipelines.contexts.feedback.domain import ErrorReport, ErrorSource, ErrorText, Severity
from shifty_pipelines.flows.complete_mission import complete_mission
from shifty_pipelines.flows.create_batch import add_template, create_batch
from shifty_pipelines.flows.create_mission import create_mission, create_mission_about_error
from shifty_pipelines.flows.keep_draft import keep_draft
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.flows.settle_mission import settle_on_label
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import person
from tests.contexts.arcade.test_answers import RIGHT, RUBRIC, SCREEN
from tests.flows.stage import TYPE, FlowStage
from tests.flows.test_missions_from_question_to_settlement import news_of

LABELS = "SELECT label FROM label_events WHERE kind = 'label' ORDER BY created_at"


def ask(stage: FlowStage, kind: MissionType, payload: dict[str, Any], **wanted: Any) -> uuid.UUID:
    with stage.services(stage.lead, Role.OWNER) as services:
        return create_mission(services, NewMission(type=kind, title="?", **wanted), payload=payload).id


def say(stage: FlowStage, mission_id: uuid.UUID, result: dict[str, Any]) -> Any:
    labeler = person()
    stage.assign(mission_id, labeler)
    with stage.services(labeler) as services:
        return complete_mission(services, mission_id, labeler_id=labeler, answer=result)


@pytest.mark.parametrize(
    ("kind", "payload", "result", "label"), [case for case in RIGHT if case[0] is not MissionType.APPROVE_DEPLOYMENT]
)
def test_the_label_event_gets_the_label_and_the_answer_keeps_its_form(
    stage: FlowStage, kind: MissionType, payload: dict[str, Any], result: dict[str, Any], label: str
) -> None:
    if "selectedOption" in result:
        with stage.services(stage.lead, Role.OWNER) as services:
            set_labels(services, kind, [label, "another"])
    mission_id = ask(stage, kind, payload)
    completed = say(stage, mission_id, result)
    assert stage.query(LABELS) == [(label,)]
    assert completed.mission.answer.label == label
    for name in ("box", "elementId", "scores", "isAbsent"):
        assert completed.mission.answer.given.get(name) == result.get(name)


def test_types_with_labels_of_their_own_need_no_label_set_and_settle(stage: FlowStage) -> None:
    mission_id = ask(stage, MissionType.ANNOTATE_UI_ELEMENT, SCREEN, slot_count=2)
    say(stage, mission_id, {"elementId": "buy"})
    say(stage, mission_id, {"box": {"x": 11, "y": 10, "width": 40, "height": 20}})
    with stage.services(None, Role.OWNER) as services:
        settle_on_label(services, news_of(stage, mission_id))
    assert stage.query("SELECT state, settled_label FROM missions") == [("settled", "buy")]


@pytest.mark.parametrize("kind", [MissionType.LABEL_TEST_OUTPUT, MissionType.VERIFY_FIX])
def test_types_that_are_a_choice_need_a_label_set(stage: FlowStage, kind: MissionType) -> None:
    payload = next(case[1] for case in RIGHT if case[0] is kind)
    with pytest.raises(LabelSetMissing):
        ask(stage, kind, payload)


def test_what_is_refused_leaves_nothing_behind(stage: FlowStage) -> None:
    stage.set_labels()
    with pytest.raises(InvalidPayload):
        ask(stage, MissionType.REVIEW_MODEL_OUTPUT, {"output": "x"})
    assert stage.query("SELECT count(*) FROM items") == [(0,)]
    mission_id = ask(stage, TYPE, {})
    for result, refusal in (({"rating": 3}, InvalidAnswer), ({"selectedOption": "gremlins"}, UnknownLabel)):
        with pytest.raises(refusal):
            say(stage, mission_id, result)
    assert stage.query("SELECT count(*) FROM label_events") == [(0,)]


def test_a_question_whose_item_is_gone_says_so(stage: FlowStage) -> None:
    mission_id = ask(stage, MissionType.REVIEW_MODEL_OUTPUT, RUBRIC)
    [(key_slot,)] = stage.query("SELECT key_slot FROM items")
    stage.keys.erase(stage.tenant_id, [key_slot])
    with pytest.raises(ItemErased, match="release it"):
        say(stage, mission_id, {"scores": {"clear": 3, "right": 3}})


def test_only_errors_are_asked_about_by_error_event(stage: FlowStage) -> None:
    new = NewMission(type=MissionType.RATE_TEST_QUALITY, title="?")
    with stage.services(stage.lead, Role.OWNER) as services, pytest.raises(InvalidValue, match="classify_error"):
        create_mission_about_error(services, new, uuid.uuid4())


def test_who_reported_an_error_is_not_asked_about_it(stage: FlowStage) -> None:
    stage.set_labels()
    reporter = person()
    report = ErrorReport(
        source=ErrorSource.SENTRY,
        external_id="e-1",
        error_type="KeyError",
        severity=Severity.HIGH,
        environment="production",
        service="shop",
        text=ErrorText(message="boom"),
    )
    with stage.services(reporter) as services:
        error_id = services.feedback.record(report).id
    with stage.services(stage.lead, Role.OWNER) as services:
        mission = create_mission_about_error(services, NewMission(type=TYPE, title="?"), error_id)
    assert stage.next(reporter) == []
    with pytest.raises(NotOffered, match="you reported the error"):
        stage.assign(mission.id, reporter)
    assert [view.id for view in stage.next(person())] == [mission.id]


def test_deployments_get_no_label_set_and_so_are_never_counted_as_votes(stage: FlowStage) -> None:
    with stage.services(stage.lead, Role.OWNER) as services, pytest.raises(InvalidValue, match="decided by a quorum"):
        set_labels(services, MissionType.APPROVE_DEPLOYMENT, ["approve", "reject"])


# ----------------------------------------------------------------------------------------------------------- the queue


def test_the_queue_learns_with_every_label_what_is_left_to_learn(stage: FlowStage) -> None:
    # Three labels, everybody right 8 times in 10. One answer: .8 .1 .1, and
    # -(.8 ln .8 + .2 ln .1) / ln 3 = (.17851 + .46052) / 1.09861 = .58167
    # 1 : 1 gives .08 .08 .01 of .17: -(2 * .47059 ln .47059 + .05882 ln .05882) / ln 3 = (.70943 + .16666) / 1.09861
    stage.set_labels()
    mission = stage.question(slot_count=3)
    uncertainty = "SELECT uncertainty FROM missions"
    assert stage.query(uncertainty) == [(1.0,)]
    stage.take_and_answer(mission.id, person(), "timeout")
    assert stage.query(uncertainty) == [(pytest.approx(0.58167, abs=1e-4),)]
    labeler = person()
    token = stage.assign(mission.id, labeler).fencing_token
    assert token is not None
    stage.answer(mission.id, labeler, "network")
    assert stage.query(uncertainty) == [(pytest.approx(0.79745, abs=1e-4),)]
    stage.take_back(mission.id, labeler, token)
    assert stage.query(uncertainty) == [(pytest.approx(0.58167, abs=1e-4),)]


def test_entropy_is_nought_where_one_label_is_certain_and_one_where_none_is_better() -> None:
    assert normalised_entropy({"a": 1.0, "b": 0.0}) == 0.0
    assert normalised_entropy(dict.fromkeys("abcde", 0.2)) == pytest.approx(1.0)


# -------------------------------------------------------------------------------------------------- drafts and batches


def test_a_draft_is_kept_under_the_items_key(stage: FlowStage) -> None:
    stage.set_labels()
    mission, labeler = stage.question(), person()
    token = stage.assign(mission.id, labeler).fencing_token
    assert token is not None
    with stage.services(labeler) as services:
        keep_draft(services, mission.id, {"notes": "hm"}, labeler_id=labeler, fencing_token=token)
    assert stage.query("SELECT d.key_slot = i.key_slot FROM mission_drafts d, items i") == [(True,)]


def test_a_batch_keeps_every_payload_or_none_and_says_which_is_wrong(stage: FlowStage) -> None:
    new = NewTemplate(name="triage", type=MissionType.LABEL_TEST_OUTPUT, title="?", labels=("pass", "fail"))
    with stage.services(stage.lead, Role.OWNER) as services:
        template_id = add_template(services, new)
    payloads = [{"output": "1 passed"}, {"output": "1 failed"}]
    with (
        stage.services(stage.lead, Role.OWNER) as services,
        pytest.raises(InvalidPayload, match=r"payloads\.2\.output"),
    ):
        create_batch(services, template_id, [*payloads, {"text": "?"}], name="night")
    assert stage.query("SELECT count(*) FROM items") == [(0,)]
    with stage.services(stage.lead, Role.OWNER) as services:
        create_batch(services, template_id, payloads, name="night")
    assert stage.query("SELECT DISTINCT labels FROM items") == [(["pass", "fail"],)]
    labeler = person()
    [first] = stage.next(labeler)
    with stage.services(labeler) as services:
        with pytest.raises(UnknownLabel, match="choose one of: pass, fail"):
            complete_mission(services, first.id, labeler_id=labeler, answer={"selectedOption": "broken"})
        complete_mission(services, first.id, labeler_id=labeler, answer={"selectedOption": "pass"})
    assert stage.query(LABELS) == [("pass",)]


def test_a_templates_labels_keep_the_rules_of_label_sets(stage: FlowStage) -> None:
    new = NewTemplate(name="triage", type=MissionType.LABEL_TEST_OUTPUT, title="?", labels=("pass", " pass"))
    with stage.services(stage.lead, Role.OWNER) as services, pytest.raises(InvalidLabels):
        add_template(services, new)
