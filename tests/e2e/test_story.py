"""The platform's main job on a running installation: errors, labels, a dataset, an adapter, promotion and rollback.

Over HTTP and Dagster's door alone, with a tiny random model. Every text holds one ordinary word, which must then be in
no file of the installation.
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from tests.e2e.running import Running, free_block, wait_until
from tests.trainer.conftest import LABELS, sample_text, write_base_model

pytestmark = pytest.mark.slow  # the tests of this file run in order, in one worker (--dist loadfile)

CANARY = "rhubarb"
PER_LABEL = 40
TRAINING_S = 240
PARQUET_MARK = b"PAR1"


class Story:
    """An installation, its owner, and what the tests hand on to each other."""

    def __init__(self, running: Running) -> None:
        self.running = running
        email, password = running.credentials()
        self.owner = self.signed_in(email, password)
        self.tenant = self.owner.post("/api/v1/auth/verify").json()["user"]["tenantId"]
        self.operator = Operator(running.dagster, running.operator_token())
        self.truth: dict[str, str] = {}
        self.model: dict[str, Any] = {}
        self.dataset: dict[str, Any] = {}

    def signed_in(self, email: str, password: str) -> httpx.Client:
        answer = httpx.post(f"{self.running.api}/api/v1/auth/login", json={"email": email, "password": password})
        headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['token']}"}
        return httpx.Client(base_url=self.running.api, headers=headers, timeout=60)

    def data(self, method: str, path: str, *, client: httpx.Client | None = None, **rest: Any) -> Any:
        answer = (client or self.owner).request(method, path, **rest)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def train(self, **wanted: Any) -> Mapping[str, Any]:
        """The finished job; every state it was seen in is kept under `seen`."""
        body = {"datasetId": self.dataset["id"], "baseModelId": self.model["id"], **wanted}
        job = self.data("POST", f"/api/v1/tenants/{self.tenant}/training-jobs", json=body)
        seen: list[Mapping[str, Any]] = []

        def is_over() -> bool:
            seen.append(self.data("GET", f"/api/v1/training-jobs/{job['id']}"))
            return seen[-1]["status"] in {"completed", "failed", "cancelled"}

        wait_until(is_over, timeout_s=TRAINING_S, what=f"training of {wanted}")
        assert seen[-1]["status"] == "completed", seen[-1]
        return {**seen[-1], "seen": seen}

    def predict(self, model_id: str, text: str) -> tuple[int, Mapping[str, float]]:
        told = self.data("POST", f"/api/v1/models/{model_id}/predictions", json={"inputs": [text]})
        return told["version"], told["predictions"][0]["probabilities"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    home = tmp_path_factory.mktemp("story") / "home"
    (home / "models").mkdir(parents=True)
    write_base_model(home / "models" / "tiny")
    running = Running(home, free_block())
    running.up()
    yield Story(running)
    running.shifty("down")
    shutil.rmtree(EmbeddedPostgres(home).data_dir.parent, ignore_errors=True)


def test_errors_become_missions_and_two_members_label_them(story: Story) -> None:
    rng = np.random.default_rng(5)
    labels = {"labels": sorted(LABELS)}
    story.data("PUT", f"/api/v1/tenants/{story.tenant}/label-sets/classify_error", json=labels)
    recipe = {"name": "default", "missionType": "classify_error", "trainAfterNewLabels": None}
    story.dataset = story.data("POST", f"/api/v1/tenants/{story.tenant}/datasets", json=recipe)
    for number in range(PER_LABEL * len(LABELS)):
        label = sorted(LABELS)[number % len(LABELS)]
        report = {
            "tenantId": story.tenant,
            "source": "application_logs",
            "externalId": f"error-{number}",
            "errorType": "RuntimeError",
            "message": f"{CANARY} {sample_text(label, rng)} {sample_text(label, rng)} {number}",
            "severity": "high",
            "environment": "production",
            "service": "shop",
        }
        error = story.data("POST", "/api/v1/errors", json=report)
        question = {"type": "classify_error", "title": "Why?", "slotCount": 2, "errorEventId": error["id"]}
        mission = story.data("POST", f"/api/v1/tenants/{story.tenant}/missions", json=question)
        story.truth[mission["id"]] = label
    for name in ("ada", "grace"):
        added = story.running.shifty("users", "add", f"{name}@story.example", "--tenant", "default", "--json")
        assert added.returncode == 0, added.stderr
        [person] = json.loads(added.stdout)
        label_everything(story, story.signed_in(person["email"], person["password"]), person["id"])

    def is_settled() -> bool:
        return all(
            story.data("GET", f"/api/v1/missions/{mission}")["settledLabel"] for mission in list(story.truth)[-5:]
        )

    wait_until(is_settled, timeout_s=30, what="settlement")


def label_everything(story: Story, client: httpx.Client, user_id: str) -> None:
    while missions := story.data(
        "POST", f"/api/v1/tenants/{story.tenant}/missions/next", client=client, json={"count": 5}
    ):
        for mission in missions:
            answer = {"userId": user_id, "result": {"selectedOption": story.truth[mission["id"]]}}
            story.data("POST", f"/api/v1/missions/{mission['id']}/complete", client=client, json=answer)


def test_dagster_curates_the_labels_into_a_checked_dataset(story: Story) -> None:
    run_id = story.operator.launch("curate", story.tenant)
    story.operator.wait("curate", run_id)
    checks = story.operator.checks(run_id)
    # Each of the two who labelled gave every label.
    assert len(checks) == 16
    assert all(check["success"] for check in checks)
    story.dataset = story.data("GET", f"/api/v1/datasets/{story.dataset['id']}")
    version = story.dataset["currentVersion"]
    assert version["rowCount"] == len(story.truth)
    rows = story.data("GET", f"/api/v1/datasets/{story.dataset['id']}/versions/{version['id']}/rows?limit=200")
    assert all(len(row["labelEventIds"]) == 2 for row in rows)


def test_a_training_shows_its_progress_before_it_ends_and_registers_a_version(story: Story) -> None:
    base = {"tenantId": story.tenant, "name": "tiny", "source": "custom", "sourceId": "local:tiny"}
    story.model = story.data("POST", "/api/v1/models", json=base)
    job = story.train(hyperparameters={"epochs": 40, "learningRate": 0.05})
    steps = {(seen["progress"] or {}).get("currentStep", 0) for seen in job["seen"] if seen["status"] == "training"}
    assert any(0 < step < job["progress"]["totalSteps"] for step in steps), "no intermediate step was seen"
    assert job["outputVersion"] == 1


def test_the_answer_follows_promotion_and_rollback(story: Story) -> None:
    second = story.train(kind="frozen_head")
    model_id, text = second["outputModelId"], sample_text(LABELS[0], np.random.default_rng(9))
    for version in (1, 2):
        body = {"version": version, "reason": "this test looks at both"}
        story.data("POST", f"/api/v1/models/{model_id}/promote", json=body)
        if version == 1:
            story.data("POST", f"/api/v1/models/{model_id}/deploy", json={"instanceId": "local"})
            first = story.predict(model_id, text)
    other = story.predict(model_id, text)
    story.data("POST", f"/api/v1/models/{model_id}/rollback", json={})
    assert (first[0], other[0]) == (1, 2)
    assert first[1] != other[1]
    assert story.predict(model_id, text) == first


def test_a_control_on_permuted_labels_serves_nowhere(story: Story) -> None:
    control = story.train(kind="frozen_head", control="permuted_labels")
    [evaluation] = [
        found
        for found in story.data("GET", f"/api/v1/models/{control['outputModelId']}/evaluations")
        if found["version"] == control["outputVersion"]
    ]
    assert evaluation["verdict"] == "refused", evaluation
    path = f"/api/v1/models/{control['outputModelId']}/promote"
    answer = story.owner.post(path, json={"version": control["outputVersion"], "reason": "because I want to"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "registry.not_promotable"
    assert "its evaluation refused it" in answer.json()["error"]


def test_no_text_lies_readable_in_any_file_of_the_installation(story: Story) -> None:
    server = EmbeddedPostgres(story.running.home)
    with psycopg.connect(server.address().url(driver="postgresql"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    files = [path for root in (story.running.home, server.data_dir) for path in root.rglob("*") if path.is_file()]
    searched = [path for path in files if not path.is_relative_to(story.running.home / "models")]
    assert len(searched) > 1000, "where is the database?"
    assert [str(path) for path in searched if CANARY.encode() in contents(path)] == []
    assert [str(path) for path in searched if is_parquet(path)] == []
    # The search does find what lies in the clear: ids and error types do.
    assert any(
        story.dataset["id"].encode() in contents(path) or uuid.UUID(story.dataset["id"]).bytes in contents(path)
        for path in searched
    )


def contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def is_parquet(path: Path) -> bool:
    content = contents(path)
    return content.startswith(PARQUET_MARK) or content.endswith(PARQUET_MARK)
