"""Bodies on the wire: names existing clients read, and what is refused at the edge."""

from typing import Any

import pytest
from pydantic import ValidationError

from shifty_pipelines.contexts.arcade.domain.missions import Answer, NewMission
from shifty_pipelines.contexts.arcade.domain.questions import Form, Question
from shifty_pipelines.contexts.arcade.schemas import (
    CompleteBody,
    CompletionOut,
    CreateMissionBody,
    MissionOut,
    NextBody,
    UndoBody,
)
from shifty_pipelines.contexts.arcade.schemas.answers import read_answer
from shifty_pipelines.contexts.arcade.schemas.game import ProfileBody, ProfileOut
from tests.contexts.arcade.stage import Stage, person

#: The mission fields of the earlier implementation (its payload contract), every one of which must still be there.
MISSION_FIELDS = {
    "id", "tenantId", "type", "difficulty", "status", "title", "description", "instructions", "xpReward", "coinReward",
    "timeEstimateMinutes", "expiresAt", "requiredSkillLevel", "payload", "assignedTo", "assignedAt", "completedBy",
    "completedAt", "result", "createdAt", "updatedAt",
}  # fmt: skip
COMPLETION_FIELDS = {"mission", "xpGained", "coinsGained", "levelUp", "newBadges"}


def test_a_mission_on_the_wire_has_the_names_clients_know(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    stage.assign(mission_id, labeler)
    completed = stage.complete(mission_id, labeler, "timeout", confidence=0.95, notes="Clear test case")
    body = CompletionOut.of(completed).model_dump(mode="json", by_alias=True)
    assert set(body) >= COMPLETION_FIELDS
    assert (body["xpGained"], body["xpPending"], body["levelUp"], body["newBadges"]) == (
        0,
        50,
        False,
        ["first_mission"],
    )
    mission = body["mission"]
    assert set(mission) >= MISSION_FIELDS
    assert mission["result"] == {"selectedOption": "timeout", "confidence": 0.95, "notes": "Clear test case"}
    assert (mission["status"], mission["assignedTo"], mission["completedBy"]) == (
        "completed",
        str(labeler),
        str(labeler),
    )
    assert (mission["isDisputed"], mission["completedAt"]) == (False, "2026-03-02T12:00:00Z")


def test_a_mission_that_is_nobodys_names_nobody(stage: Stage) -> None:
    body = MissionOut.of(stage.view(stage.mission(), person())).model_dump(mode="json", by_alias=True)
    own = {
        "assignedTo",
        "assignedAt",
        "startedAt",
        "leaseUntil",
        "fencingToken",
        "completedBy",
        "completedAt",
        "result",
    }
    assert {body[name] for name in own} == {None}


def test_a_profile_on_the_wire_has_the_names_clients_know(stage: Stage) -> None:
    body = ProfileOut.of(stage.profile(person())).model_dump(mode="json", by_alias=True)
    assert (body["level"], body["xp"], body["xpToNextLevel"], body["coins"], body["totalXpEarned"]) == (
        1,
        0,
        100,
        100,
        0,
    )
    assert {"userId", "tenantId", "displayName", "lastActiveAt", "totalMissionsCompleted", "createdAt"} <= set(body)


def test_the_specifications_own_completion_is_understood() -> None:
    body = CompleteBody.model_validate(
        {
            "userId": "5f0c3a52-8f0e-4a4f-9d6b-0d7f5f3b9f10",
            "result": {"selectedOption": "correct", "confidence": 0.95, "notes": "Clear test case"},
        }
    )
    said = read_answer(Question(form=Form.CHOICE), body.as_it_came())
    assert said == Answer(label="correct", confidence=0.95, notes="Clear test case")
    assert body.fencing_token is None


QUESTION: dict[str, Any] = {"type": "classify_error", "title": "Which?", "payload": {}}


def test_what_is_left_out_of_a_question_is_the_domains_default() -> None:
    body = CreateMissionBody.model_validate(QUESTION)
    assert body.mission() == NewMission(type=body.type, title="Which?")


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "clasify_error"},
        {"title": ""},
        {"title": "x" * 256},
        {"title": "a\x00b"},
        {"instructions": "\ud800"},
        {"difficulty": "easy"},
        {"xpReward": 0},
        {"coinReward": 101},
        {"timeEstimateMinutes": 61},
        {"requiredSkillLevel": 0},
        {"slotCount": 8},
        {"slotCount": 0},
        {"expiresAt": "2026-03-02T12:00:00"},
        {"payload": []},
        {"payload": None},
        {"status": "completed"},
    ],
    ids=lambda wrong: next(iter(wrong)) + "=" + repr(next(iter(wrong.values())))[:20],
)
def test_a_question_outside_the_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CreateMissionBody.model_validate({**QUESTION, **wrong})


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        pytest.param(NextBody, {"count": 6}, id="more than five missions"),
        pytest.param(NextBody, {"count": 0}, id="no mission"),
        pytest.param(UndoBody, {}, id="undo without a token"),
        pytest.param(UndoBody, {"fencingToken": 2**63}, id="a token larger than any"),
        pytest.param(CompleteBody, {"result": "timeout"}, id="an answer that is no object"),
        pytest.param(CompleteBody, {}, id="no answer"),
        pytest.param(ProfileBody, {"displayName": "   "}, id="a blank name"),
        pytest.param(ProfileBody, {"displayName": "x" * 51}, id="a long name"),
        pytest.param(ProfileBody, {"displayName": "a\nb"}, id="a name of two lines"),
    ],
)
def test_other_bodies_outside_the_bounds_are_refused(body: type[NextBody], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body.model_validate(wrong)
