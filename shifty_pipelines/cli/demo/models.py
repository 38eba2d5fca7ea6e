"""From a dataset to a served model, over the API: train, promote, roll back, ask; and one candidate that is refused."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shifty_pipelines.cli.demo.cast import Tenant
from shifty_pipelines.cli.demo.labels import MISSION_TYPE, Truth, pages
from shifty_pipelines.kernel.errors import ShiftyError

POLL_S = 0.5
TRAINING_TIMEOUT_S = 600.0
ENDED = frozenset({"completed", "failed", "cancelled"})


class TrainingFailed(ShiftyError):
    """A training of the demo ended without a version."""

    status = 500
    code = "demo.training_failed"

    def __init__(self, job: Mapping[str, Any]) -> None:
        why = (job.get("refusal") or {}).get("message", "no reason given")
        super().__init__(f"Training job {job['id']} ended as {job['status']}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A version with its verdict."""

    model_id: str
    version: int
    kind: str
    verdict: str
    metrics: Mapping[str, Any]


def dataset_of(tenant: Tenant) -> Mapping[str, Any]:
    """The default dataset of the demo's mission type, with its current version."""
    path = f"/api/v1/tenants/{tenant.tenant_id}/datasets"
    found = next(row for row in pages(tenant.owner, path) if row["missionType"] == MISSION_TYPE)
    return _data(tenant, "GET", f"/api/v1/datasets/{found['id']}")


def rows_of(tenant: Tenant, dataset: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The rows of the current version: item, label, split and lineage."""
    version = dataset["currentVersion"]["id"]
    return list(pages(tenant.owner, f"/api/v1/datasets/{dataset['id']}/versions/{version}/rows"))


def request(tenant: Tenant, dataset_id: str, **wanted: Any) -> str:
    """Request a training; the job's id."""
    body = {"datasetId": dataset_id, **wanted}
    return str(_data(tenant, "POST", f"/api/v1/tenants/{tenant.tenant_id}/training-jobs", json=body)["id"])


def await_job(tenant: Tenant, job_id: str, watch: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
    """The job once it has ended; `watch` sees it on the way.

    Raises:
        TrainingFailed: it ended without a version.
    """
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    while True:
        job = _data(tenant, "GET", f"/api/v1/training-jobs/{job_id}")
        watch(job)
        if job["status"] in ENDED:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"training job {job_id} is {job['status']} after {TRAINING_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
    if job["status"] != "completed":
        raise TrainingFailed(job)
    return job


def trained(tenant: Tenant, job: Mapping[str, Any]) -> Trained:
    """The version a job made, with the verdict on it."""
    model_id, version = str(job["outputModelId"]), int(job["outputVersion"])
    model = _data(tenant, "GET", f"/api/v1/models/{model_id}")
    kind = next(row["kind"] for row in model["versions"] if row["version"] == version)
    evaluations = pages(tenant.owner, f"/api/v1/models/{model_id}/evaluations")
    evaluation = next(row for row in evaluations if row["version"] == version)
    return Trained(
        model_id=model_id, version=version, kind=kind, verdict=evaluation["verdict"], metrics=evaluation["metrics"]
    )


def promote(tenant: Tenant, made: Trained) -> None:
    """Let a version serve; a person's reason goes with an inconclusive verdict."""
    reason = None if made.verdict == "passed" else "demo: shown beside the baseline on few test rows"
    body = {"version": made.version, **({"reason": reason} if reason else {})}
    _data(tenant, "POST", f"/api/v1/models/{made.model_id}/promote", json=body)


def refusal_of_promotion(tenant: Tenant, made: Trained) -> str:
    """What the platform says when somebody tries to promote a refused version all the same."""
    body = {"version": made.version, "reason": "because I want to"}
    answer = tenant.owner.client.post(f"/api/v1/models/{made.model_id}/promote", json=body)
    if answer.is_success:
        raise TrainingFailed({"id": made.model_id, "status": "promoted, though it learnt nothing"})
    return str(answer.json()["error"])


def deploy(tenant: Tenant, model_id: str) -> None:
    """Let the model answer on the tenant's own instance."""
    _data(tenant, "POST", f"/api/v1/models/{model_id}/deploy", json={"instanceId": "local"})


def roll_back(tenant: Tenant, model_id: str) -> None:
    """Let the version before serve again."""
    _data(tenant, "POST", f"/api/v1/models/{model_id}/rollback", json={"reason": "demo: back to what served before"})


def predict(tenant: Tenant, model_id: str, text: str) -> Mapping[str, Any]:
    """The answer to one text, with the version that gave it."""
    answered = _data(tenant, "POST", f"/api/v1/models/{model_id}/predictions", json={"inputs": [text]})
    return {"version": answered["version"], **answered["predictions"][0]}


def look_up_f1(rows: Sequence[Mapping[str, Any]], truths: Mapping[str, Truth]) -> float:
    """Macro F1 on the test rows of answering each exception type with its commonest label among all other rows.

    Those are the rows that the other baselines fit on too.
    """
    known = [(row["split"], row["label"], truths[row["rowId"]].error_type) for row in rows if row["rowId"] in truths]
    by_type: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for split, label, error_type in known:
        if split != "test":
            by_type[error_type][label] += 1
    fallback = Counter(label for split, label, _ in known if split != "test").most_common(1)[0][0]
    answers = [
        (label, by_type[error_type].most_common(1)[0][0] if by_type[error_type] else fallback)
        for split, label, error_type in known
        if split == "test"
    ]
    return _macro_f1(answers)


def consensus_accuracy(rows: Sequence[Mapping[str, Any]], truths: Mapping[str, Truth]) -> float:
    """Share of rows whose label is the true cause."""
    known = [row["label"] == truths[row["rowId"]].cause for row in rows if row["rowId"] in truths]
    return float(sum(known) / len(known))


def _macro_f1(answers: Sequence[tuple[str, str]]) -> float:
    classes = {label for pair in answers for label in pair}
    scores: list[float] = []
    for name in classes:
        hits = sum(truth == name == given for truth, given in answers)
        mentions = sum((truth == name) + (given == name) for truth, given in answers)
        scores.append(2 * hits / mentions)
    return float(sum(scores) / len(scores))


def _data(tenant: Tenant, method: str, path: str, **rest: Any) -> dict[str, Any]:
    return dict(tenant.owner.client.request(method, path, **rest).raise_for_status().json()["data"])
