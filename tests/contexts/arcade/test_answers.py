"""Typed payloads and answers: each type takes its own shape, bounds are the question's, and refusals name the value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.questions import Box, Form, Question, iou, label_of_box
from shifty_pipelines.contexts.arcade.errors import InvalidAnswer, InvalidPayload
from shifty_pipelines.contexts.arcade.schemas.answers import ANSWERS, read_answer
from shifty_pipelines.contexts.arcade.schemas.questions import PAYLOADS, read_question

BUTTON = {"id": "buy", "box": {"x": 10, "y": 10, "width": 40, "height": 20}}
LINK = {"id": "terms", "box": {"x": 10, "y": 60, "width": 40, "height": 20}}
SCREEN = {"picture": {"width": 100, "height": 100}, "target": "the button that buys", "elements": [BUTTON, LINK]}
RUBRIC = {"output": "assert 1", "criteria": [{"id": "clear", "text": "Is it clear?"}, {"id": "right", "text": "?"}]}

#: Per case: type, payload, answer, the label it comes down to.
RIGHT: list[tuple[MissionType, dict[str, Any], dict[str, Any], str]] = [
    (MissionType.LABEL_TEST_OUTPUT, {"output": "1 failed"}, {"selectedOption": "fail", "reason": "line 3"}, "fail"),
    (MissionType.CLASSIFY_ERROR, {"anything": [1]}, {"selectedOption": "timeout", "notes": "?"}, "timeout"),
    (
        MissionType.VALIDATE_SELECTOR,
        {"selector": "#q", "html": "<input id=q>", "target": "the search box"},
        {"selectedOption": "valid", "confidence": 0.9},
        "valid",
    ),
    (
        MissionType.VERIFY_FIX,
        {"failure": "boom", "patch": "-a +b"},
        {"selectedOption": "fixed", "evidence": ["replay 3 passed"]},
        "fixed",
    ),
    (MissionType.RATE_TEST_QUALITY, {"test": "def test_a(): ..."}, {"rating": 4}, "4"),
    (MissionType.RATE_TEST_QUALITY, {"a": "x", "b": "y"}, {"preferred": "tie"}, "tie"),
    (MissionType.ANNOTATE_UI_ELEMENT, SCREEN, {"elementId": "terms"}, "terms"),
    (MissionType.ANNOTATE_UI_ELEMENT, SCREEN, {"box": {"x": 12, "y": 10, "width": 40, "height": 20}}, "buy"),
    (MissionType.ANNOTATE_UI_ELEMENT, SCREEN, {"box": {"x": 60, "y": 0, "width": 40, "height": 20}}, "unlisted"),
    (MissionType.ANNOTATE_UI_ELEMENT, SCREEN, {"isAbsent": True}, "absent"),
    (MissionType.REVIEW_MODEL_OUTPUT, RUBRIC, {"scores": {"clear": 3, "right": 5}}, "pass"),
    (MissionType.REVIEW_MODEL_OUTPUT, RUBRIC, {"scores": {"clear": 2, "right": 5}}, "fail"),
    (MissionType.REVIEW_MODEL_OUTPUT, {"a": "x", "b": "y"}, {"preferred": "b", "reason": "shorter"}, "b"),
    (MissionType.APPROVE_DEPLOYMENT, {"change": "v2"}, {"decision": "reject", "rationale": "no rollback"}, "reject"),
]


def test_every_type_has_a_payload_and_every_form_an_answer() -> None:
    assert set(PAYLOADS) == set(MissionType)
    assert set(ANSWERS) == set(Form)
    assert {kind for kind, *_ in RIGHT} == set(MissionType)


@pytest.mark.parametrize(("kind", "payload", "result", "label"), RIGHT)
def test_each_types_answer_comes_down_to_its_label(
    kind: MissionType, payload: dict[str, Any], result: dict[str, Any], label: str
) -> None:
    question = read_question(kind, payload)
    answer = read_answer(question, result)
    assert answer.label == label
    assert question.labels is None or label in question.labels
    # Nothing that was said is lost, and no text stands in what is kept in the clear.
    said = {"selectedOption": answer.label, "confidence": answer.confidence, "notes": answer.notes}
    assert {**said, **answer.given, **answer.texts}.items() >= {
        name: value for name, value in result.items() if name not in ("rating", "preferred", "decision")
    }.items()
    assert not {"notes", "reason", "evidence", "rationale"} & set(answer.given)


@pytest.mark.parametrize(
    ("kind", "payload", "result", "said"),
    [
        pytest.param(*RIGHT[0][:2], {}, "selectedOption", id="no option"),
        pytest.param(*RIGHT[0][:2], {"rating": 3}, "selectedOption|rating", id="another form"),
        pytest.param(*RIGHT[1][:2], {"selectedOption": "a", "confidence": 1.5}, "1.5", id="surer than sure"),
        pytest.param(*RIGHT[1][:2], {"selectedOption": "a", "evidence": ["x"]}, "evidence", id="a field too many"),
        pytest.param(*RIGHT[2][:2], {"selectedOption": "valid"}, "confidence", id="no confidence"),
        pytest.param(*RIGHT[3][:2], {"selectedOption": "fixed"}, "evidence", id="no evidence"),
        pytest.param(*RIGHT[3][:2], {"selectedOption": "fixed", "evidence": []}, "evidence", id="empty evidence"),
        pytest.param(*RIGHT[4][:2], {"rating": 6}, "'6'", id="six of five"),
        pytest.param(*RIGHT[4][:2], {"rating": 2.5}, "2.5", id="half a point"),
        pytest.param(*RIGHT[4][:2], {"rating": True}, "rating", id="true is no rating"),
        pytest.param(*RIGHT[5][:2], {"preferred": "c"}, "'c'", id="a third of two"),
        pytest.param(*RIGHT[6][:2], {"elementId": "cart"}, "'cart' is no element .* buy, terms", id="unknown element"),
        pytest.param(*RIGHT[6][:2], {"elementId": "buy", "isAbsent": True}, "exactly one", id="both here and not"),
        pytest.param(*RIGHT[6][:2], {}, "exactly one", id="nowhere"),
        pytest.param(
            *RIGHT[6][:2],
            {"box": {"x": 90, "y": 0, "width": 11, "height": 5}},
            "101, 5, outside .* 100 x 100",
            id="out",
        ),
        pytest.param(*RIGHT[6][:2], {"box": {"x": -1, "y": 0, "width": 5, "height": 5}}, "'-1'", id="left of it"),
        pytest.param(*RIGHT[6][:2], {"box": {"x": 1, "y": 0, "width": 0, "height": 5}}, "width", id="flat"),
        pytest.param(*RIGHT[10][:2], {"scores": {"clear": 3}}, "are of clear; .* clear, right", id="one missing"),
        pytest.param(*RIGHT[10][:2], {"scores": {"clear": 3, "right": 0}}, "'0'", id="score of nought"),
        pytest.param(*RIGHT[13][:2], {"decision": "approve"}, "rationale", id="no rationale"),
        pytest.param(*RIGHT[13][:2], {"decision": "maybe", "rationale": "x"}, "'maybe'", id="no decision"),
        pytest.param(*RIGHT[13][:2], {"decision": "approve", "rationale": "a\ud800"}, "half a character", id="half"),
    ],
)
def test_a_wrong_answer_is_refused_by_field_and_value(
    kind: MissionType, payload: dict[str, Any], result: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidAnswer, match=said) as refusal:
        read_answer(read_question(kind, payload), result)
    assert refusal.value.status == 400
    assert "This mission is answered in the form" in refusal.value.message


@pytest.mark.parametrize(
    ("kind", "payload", "said"),
    [
        pytest.param(MissionType.LABEL_TEST_OUTPUT, {}, "output", id="no output"),
        pytest.param(MissionType.CLASSIFY_ERROR, {"message": 5}, "message", id="a number as message"),
        pytest.param(MissionType.VALIDATE_SELECTOR, {"selector": "#q", "html": ""}, "html", id="no page"),
        pytest.param(MissionType.RATE_TEST_QUALITY, {"a": "x"}, "either 'test'", id="half a pair"),
        pytest.param(MissionType.RATE_TEST_QUALITY, {"test": "x", "a": "y", "b": "z"}, "either", id="one and two"),
        pytest.param(MissionType.VERIFY_FIX, {"failure": "x"}, "patch", id="no patch"),
        pytest.param(MissionType.REVIEW_MODEL_OUTPUT, {**RUBRIC, "modelId": "m"}, "'modelId'", id="names the model"),
        pytest.param(MissionType.REVIEW_MODEL_OUTPUT, {"output": "x"}, "criteria", id="no rubric"),
        pytest.param(
            MissionType.ANNOTATE_UI_ELEMENT, {**SCREEN, "elements": [BUTTON, BUTTON]}, "must differ", id="twins"
        ),
        pytest.param(
            MissionType.ANNOTATE_UI_ELEMENT,
            {**SCREEN, "picture": {"width": 40, "height": 100}},
            "'buy' reaches outside",
            id="an element beyond the picture",
        ),
        pytest.param(
            MissionType.ANNOTATE_UI_ELEMENT,
            {**SCREEN, "elements": [{**BUTTON, "id": "Buy now, Ada!"}]},
            "elements.0.id",
            id="content as a name",
        ),
        pytest.param(MissionType.APPROVE_DEPLOYMENT, {"version": 2}, "change", id="no change"),
    ],
)
def test_a_wrong_payload_is_refused_by_field(kind: MissionType, payload: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPayload, match=said) as refusal:
        read_question(kind, payload)
    assert refusal.value.status == 400


# -------------------------------------------------------------------------------------------------------------- boxes

SIDE = st.floats(min_value=0.5, max_value=50)
BOXES = st.builds(
    Box, x=st.floats(min_value=0, max_value=50), y=st.floats(min_value=0, max_value=50), width=SIDE, height=SIDE
)


def test_overlap_by_hand() -> None:
    one = Box(x=0, y=0, width=4, height=4)
    assert iou(one, Box(x=2, y=0, width=4, height=4)) == pytest.approx(8 / 24)
    assert iou(one, Box(x=0, y=0, width=4, height=2)) == pytest.approx(8 / 16)
    assert iou(one, Box(x=4, y=0, width=4, height=4)) == 0.0
    assert iou(one, Box(x=1, y=1, width=2, height=2)) == pytest.approx(4 / 16)


@given(one=BOXES, other=BOXES)
def test_overlap_is_symmetric_between_nought_and_one_and_one_with_itself(one: Box, other: Box) -> None:
    assert iou(one, other) == pytest.approx(iou(other, one))
    assert 0.0 <= iou(one, other) <= 1.0 + 1e-9
    assert iou(one, one) == pytest.approx(1.0)


@given(one=BOXES, other=BOXES, dx=st.floats(min_value=0, max_value=50))
def test_moving_both_boxes_changes_no_overlap(one: Box, other: Box, dx: float) -> None:
    moved = [Box(x=box.x + dx, y=box.y, width=box.width, height=box.height) for box in (one, other)]
    assert iou(*moved) == pytest.approx(iou(one, other), abs=1e-6)


def test_a_box_means_an_element_from_half_an_overlap_on() -> None:
    question = read_question(MissionType.ANNOTATE_UI_ELEMENT, SCREEN)
    # The button is 40 x 20; a box over its upper half overlaps by exactly 1/2, one pixel less by less.
    assert label_of_box(question, Box(x=10, y=10, width=40, height=10)) == "buy"
    assert label_of_box(question, Box(x=10, y=10, width=40, height=9)) == "unlisted"
    assert label_of_box(Question(form=Form.ELEMENT), Box(x=0, y=0, width=1, height=1)) == "unlisted"
