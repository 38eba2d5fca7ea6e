"""Missions on the wire: typed answers, what a tab does with a mission it holds, batches, deployments."""

from collections.abc import Callable
from typing import Any

import pytest

from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import LABELS, Person, World, random_id

RUBRIC = {"output": "assert 1", "criteria": [{"id": "clear", "text": "Is it clear?"}]}


def held(world: World, labeler: Person, **fields: Any) -> tuple[str, int]:
    world.set_labels()
    mission = world.mission(**fields)
    taken = labeler.data("POST", f"/api/v1/missions/{mission}/assign", json={})
    return mission, int(taken["fencingToken"])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        pytest.param({"rating": 3}, "result.selectedOption", id="another form"),
        pytest.param({"selectedOption": "gremlins"}, f"choose one of: {', '.join(LABELS)}", id="unknown label"),
        pytest.param({"selectedOption": LABELS[0], "confidence": 7}, "got '7'", id="out of range"),
        pytest.param(LABELS[0], "an object is expected", id="no object"),
        pytest.param({"selectedOption": LABELS[0], "xp": 1000}, "xp is set by the server", id="a reward"),
    ],
)
def test_a_wrong_answer_is_400_and_nothing_is_written(world: World, result: Any, said: str) -> None:
    mission, token = held(world, world.member)
    body = {"result": result, "fencingToken": token}
    answer = world.member.call("POST", f"/api/v1/missions/{mission}/complete", json=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert world.member.data("GET", f"/api/v1/missions/{mission}")["status"] == "assigned"


def test_an_answer_of_ten_megabytes_is_refused_by_its_length_and_not_sent_back(world: World) -> None:
    mission, token = held(world, world.member)
    body = {"result": {"selectedOption": LABELS[0], "notes": "x" * 10_000_000}, "fencingToken": token}
    answer = world.member.call("POST", f"/api/v1/missions/{mission}/complete", json=body)
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "result.notes")
    assert len(answer.content) < 1_000


def test_a_typed_answer_comes_back_to_whoever_gave_it_as_it_was_given(world: World) -> None:
    mission, token = held(world, world.member, type="review_model_output", payload=RUBRIC)
    result = {"scores": {"clear": 2}, "reason": "needs names"}
    body = {"result": result, "fencingToken": token}
    done = world.member.data("POST", f"/api/v1/missions/{mission}/complete", json=body)
    expected = {"selectedOption": "fail", "confidence": None, "notes": None, **result}
    assert done["mission"]["result"] == expected
    assert world.owner.data("GET", f"/api/v1/missions/{mission}")["result"] is None


def test_the_document_names_every_form_of_an_answer(world: World) -> None:
    document = world.owner.client.get("/openapi.json").json()
    forms = document["components"]["schemas"]["CompleteBody"]["properties"]["result"]["anyOf"]
    named = {form["$ref"].rpartition("/")[2] for form in forms}
    assert {"ChoiceAnswer", "ElementAnswer", "RatingAnswer", "RubricAnswer", "DecisionAnswer"} <= named
    assert len(named) == 8


def test_a_tab_keeps_drafts_extends_and_skips(world: World) -> None:
    labeler = world.member
    mission, token = held(world, labeler)
    path, holds = f"/api/v1/missions/{mission}", {"fencingToken": token}
    kept = labeler.data("POST", f"{path}/heartbeat", json=holds)
    assert kept["leaseUntil"] >= kept["assignedAt"]
    labeler.data("PUT", f"{path}/draft", json={**holds, "draft": {"notes": "half"}})
    assert labeler.data("GET", f"{path}/draft")["draft"] == {"notes": "half"}
    assert world.owner.call("GET", f"{path}/draft").status_code == 404  # one's own only
    wrong = labeler.call("POST", f"{path}/skip", json={**holds, "reason": "bored"})
    assert wrong.status_code == 400
    assert "missing_context" in wrong.json()["error"]
    skipped = labeler.data("POST", f"{path}/skip", json={**holds, "reason": "broken_item"})
    assert (skipped["isFree"], skipped["freeSkipsLeft"], skipped["mission"]["status"]) == (True, 9, "available")
    stale = labeler.call("POST", f"{path}/heartbeat", json=holds)
    assert (stale.status_code, stale.json()["code"]) == (409, "arcade.stale_token")


def test_a_batch_is_made_once_per_key_and_paused_resumed_and_cancelled(world: World) -> None:
    world.set_labels()
    tenant = f"/api/v1/tenants/{world.tenant_id}"
    template = {"name": "triage", "type": "classify_error", "title": "Why?"}
    template_id = world.owner.data("POST", f"{tenant}/mission-templates", json=template)["id"]
    body = {"templateId": template_id, "name": "night", "payloads": [{"message": "a"}, {"message": "b"}]}
    key = {"Idempotency-Key": "k-1"}
    made = [world.owner.data("POST", f"{tenant}/mission-batches", json=body, headers=key) for _ in range(2)]
    assert made[0] == made[1]
    path = f"/api/v1/mission-batches/{made[0]['id']}"
    nexts = f"{tenant}/missions/next"
    assert world.owner.data("POST", f"{path}/pause")["state"] == "paused"
    assert world.member.data("POST", nexts, json={}) == []
    assert world.owner.data("POST", f"{path}/resume")["counts"] == {"open": 2}
    assert len(world.member.data("POST", nexts, json={})) == 1
    assert world.owner.data("POST", f"{path}/cancel")["counts"] == {"cancelled": 2}
    wrong = {**body, "payloads": [{"message": 5}]}
    refused = world.owner.call("POST", f"{tenant}/mission-batches", json=wrong)
    assert refused.status_code == 400
    assert refused.json()["details"] == {"field": "payloads.0.message"}
    assert [batch["id"] for batch in world.owner.data("GET", f"{tenant}/mission-batches")] == [made[0]["id"]]


def test_a_template_of_another_tenant_is_as_unknown_as_one_of_nothing(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    theirs.set_labels()
    template = {"name": "triage", "type": "classify_error", "title": "Why?"}
    foreign = theirs.owner.data("POST", f"/api/v1/tenants/{theirs.tenant_id}/mission-templates", json=template)["id"]
    ours.set_labels()
    path = f"/api/v1/tenants/{ours.tenant_id}/mission-batches"
    answers = [
        ours.owner.call("POST", path, json={"templateId": one, "name": "x", "payloads": [{"message": "a"}]})
        for one in (foreign, random_id())
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["error"] == answers[1].json()["error"]


def test_a_deployment_is_decided_by_people_with_the_grant_and_paid_by_its_outcome(
    new_world: Callable[[], World],
) -> None:
    world = new_world()
    deciders = [world.member, world.people[Role.ADMIN]]
    mission = world.mission(type="approve_deployment", payload={"change": "v2"}, slotCount=2, xpReward=250)
    path = f"/api/v1/missions/{mission}"
    refused = world.member.call("POST", f"{path}/assign", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "arcade.not_an_approver")
    for decider, decision in zip(deciders, ("approve", "reject"), strict=True):
        world.owner.data("PUT", f"/api/v1/users/{decider.id}", json={"grants": ["deployment_approver"]})
        decider.data("POST", f"{path}/assign", json={})
        result = {"decision": decision, "rationale": "because"}
        decider.data("POST", f"{path}/complete", json={"result": result})
    world.drain()
    assert world.owner.data("GET", path)["decision"] == "reject"
    assert world.owner.data("POST", f"{path}/outcome", json={"outcome": "good"})["outcome"] == "good"
    for decider in deciders:
        assert decider.data("GET", f"/api/v1/profiles/{decider.id}")["xp"] == 250
