"""Whole training jobs with the real trainer on a tiny model: progress while it runs, and every way to end."""

import dataclasses
import errno
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.inference.domain import Answers, ServableVersion
from shifty_pipelines.contexts.inference.ports import FetchFiles, Predictor
from shifty_pipelines.contexts.training.domain.jobs import JobKind, Refusal
from shifty_pipelines.contexts.training.errors import JobNotQueued
from shifty_pipelines.contexts.training.ports import RunningTrainer, Trainer
from shifty_pipelines.flows.run_training import TrainingOutcome, Watch, run_training
from shifty_pipelines.kernel.store import AssetStore
from tests.flows.training.conftest import Lab, shuffled
from tests.trainer.conftest import LABELS, sample_rows

SECRET = "wintergreen-of-the-operator"


def run(lab: Lab, job_id: Any, *, trainer: Trainer | None = None, watch: Watch = lambda _: None) -> TrainingOutcome:
    return run_training(lab.platform, lab.tenant_id, job_id, trainer=trainer or lab.platform.trainer, watch=watch)


def run_directories(lab: Lab) -> list[str]:
    root = lab.platform.runs._root
    return [path.name for path in root.glob("training-*")] if root.exists() else []


class Interfering:
    """The real trainer, with something happening to it at a message of its own."""

    def __init__(self, real: Trainer, interfere: Callable[[RunningTrainer, Mapping[str, Any]], None]) -> None:
        self.real = real
        self.interfere = interfere
        self.identities: list[Any] = []

    @contextmanager
    def start(self, job: Mapping[str, Any], *, run_directory: Path) -> Iterator[RunningTrainer]:
        with self.real.start(job, run_directory=run_directory) as running:
            self.identities.append(running.identity)
            yield _Watched(running, self.interfere)


@dataclasses.dataclass
class _Watched:
    running: RunningTrainer
    interfere: Callable[[RunningTrainer, Mapping[str, Any]], None]

    @property
    def identity(self) -> Any:
        return self.running.identity

    def messages(self, *, beat_s: float) -> Iterator[Mapping[str, Any] | None]:
        for message in self.running.messages(beat_s=beat_s):
            if message is not None:
                self.interfere(self.running, message)
            yield message

    def stop(self) -> None:
        self.running.stop()

    def exit_code(self) -> int:
        return self.running.exit_code()


def test_a_job_becomes_a_judged_version_and_shows_its_progress_on_the_way(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTY_TEST_SECRET", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://shifty:{SECRET}@db/shifty")
    job_id = lab.request(lab.dataset(), hyperparameters={"epochs": 15, "learningRate": 0.05})
    seen: list[Any] = []
    processes: list[tuple[bytes, bytes, int]] = []

    def watch(message: Mapping[str, Any]) -> None:
        if message["kind"] != "progress":
            return
        job = lab.job(job_id)
        seen.append((job.status, dict(job.progress)))
        if not processes:
            pid = job.trainer["pid"]
            proc = Path(f"/proc/{pid}")
            modes = (lab.platform.runs._root / f"training-{job_id}-1").stat().st_mode & 0o777
            processes.append(((proc / "environ").read_bytes(), (proc / "cmdline").read_bytes(), modes))

    outcome = run(lab, job_id, watch=watch)

    middle = [progress for status, progress in seen if status == "training" and 0 < progress["currentStep"] < 30]
    assert len(middle) > 20
    assert {progress["totalSteps"] for progress in middle} == {30}
    assert middle[0]["totalEpochs"] == 15
    assert middle[0]["trainingLoss"] > 0
    environment, arguments, mode = processes[0]
    assert SECRET.encode() not in environment + arguments
    assert b"DATABASE_URL" not in environment
    assert b"SHIFTY_" not in environment + arguments
    assert b"postgres" not in environment + arguments
    assert mode == 0o700
    assert outcome.job.status == "completed"


def test_the_version_carries_its_origin_and_a_verdict(lab: Lab, warm: Trainer) -> None:
    outcome = run(lab, lab.request(lab.dataset(), hyperparameters={"epochs": 15, "learningRate": 0.05}), trainer=warm)
    assert outcome.job.status == "completed"
    assert outcome.version is not None
    assert outcome.evaluation is not None
    assert (outcome.job.output_model_id, outcome.job.output_version) == (outcome.version.model_id, 1)
    assert outcome.job.recipe["learning_rate"] == 0.05
    assert any("trainer.planned" in entry["message"] for entry in outcome.job.logs)
    assert outcome.version.metrics["registered"] == outcome.version.kind
    assert outcome.evaluation.verdict == "passed"
    assert set(outcome.evaluation.metrics["comparedWith"]) == {"majority", "tfidf", "adapter", "frozen_head"}
    assert run_directories(lab) == []


def test_what_training_leaves_in_the_store_is_encrypted(lab: Lab, warm: Trainer, models_home: Path) -> None:
    rows = sample_rows()
    rows["text"] = "zugspitze " + rows["text"]
    outcome = run(lab, lab.request(lab.dataset(rows), hyperparameters={"epochs": 12, "batchSize": 12}), trainer=warm)
    assert outcome.job.status == "completed"
    with lab.platform.open(lab.actor) as services:
        assets = {asset.type for asset in services.lifecycle.list(after=None, limit=50)}
        checkpoint = services.training.newest_checkpoint(outcome.job.id)
    assert assets == {"model_weights", "model_checkpoint", "evaluation_results"}
    assert checkpoint is not None
    for path in models_home.rglob("*"):
        if path.is_file() and "models" not in path.relative_to(models_home).parts[:1]:
            content = path.read_bytes()
            assert b"zugspitze" not in content
            assert not content.startswith(b"PAR1")
            assert b"safetensors" not in content, path


def test_a_worse_second_version_is_refused_and_stays_registered(lab: Lab, warm: Trainer) -> None:
    rows = sample_rows({"train": 20, "validation": 8, "test": 35})
    first = run(lab, lab.request(lab.dataset(rows), kind=JobKind.FROZEN_HEAD), trainer=warm)
    assert first.version is not None
    with lab.platform.open(lab.actor) as services:
        services.registry.promote(first.version.model_id, 1, reason="first")
    second = run(lab, lab.request(lab.dataset(shuffled(rows)), kind=JobKind.FROZEN_HEAD), trainer=warm)
    assert second.version is not None
    assert second.evaluation is not None
    assert (second.version.model_id, second.version.version) == (first.version.model_id, 2)
    assert second.job.status == "completed"
    assert (second.evaluation.verdict, second.evaluation.incumbent_version) == ("refused", 1)
    assert second.evaluation.metrics["comparedWith"]["incumbent"]["f1Score"] > second.evaluation.metrics["f1Score"]
    with lab.platform.open(lab.actor) as services:
        serving = services.registry.serving_version(first.version.model_id)
        assert serving is not None
        assert serving.version == 1


class Asked:
    """A predictor that counts how often it is asked."""

    def __init__(self, real: Predictor) -> None:
        self.real = real
        self.times = 0

    def probabilities(self, version: ServableVersion, texts: Sequence[str], *, fetch: FetchFiles) -> Answers:
        self.times += 1
        return self.real.probabilities(version, texts, fetch=fetch)

    def forget(self, key: str) -> None:
        self.real.forget(key)

    def close(self) -> None:
        self.real.close()


@pytest.mark.parametrize("report", ["kept", "erased", "damaged"])
def test_on_the_same_dataset_version_the_serving_model_is_asked_only_if_its_report_is_gone(
    lab: Lab, warm: Trainer, report: str
) -> None:
    """The second is a control, so that its own answers are no use in place of the first's."""
    dataset = lab.dataset(sample_rows({"train": 20, "validation": 8, "test": 35}))
    first = run(lab, lab.request(dataset, kind=JobKind.FROZEN_HEAD), trainer=warm)
    assert first.version is not None
    assert first.evaluation is not None
    with lab.platform.open(lab.actor) as services:
        services.registry.promote(first.version.model_id, 1, reason="first")
        asset = services.lifecycle.get(uuid.UUID(first.version.metrics["reportAsset"]))
    if report == "erased":
        assert asset.key_slot is not None
        lab.platform.keys.erase(lab.tenant_id, [asset.key_slot])
    elif report == "damaged":
        (stored,) = lab.platform.runs._root.parent.rglob(Path(asset.storage_location).name)
        stored.write_bytes(stored.read_bytes()[:-1])
    asked = Asked(lab.platform.predictor)
    lab = dataclasses.replace(lab, platform=dataclasses.replace(lab.platform, predictor=asked))
    second = run(lab, lab.request(dataset, kind=JobKind.FROZEN_HEAD, control="permuted_labels"), trainer=warm)
    assert second.evaluation is not None
    assert asked.times == (0 if report == "kept" else 1)
    assert (second.evaluation.incumbent_version, second.evaluation.verdict) == (1, "refused")
    incumbent = second.evaluation.metrics["comparedWith"]["incumbent"]
    assert incumbent["f1Score"] == pytest.approx(first.evaluation.metrics["f1Score"])
    assert second.evaluation.metrics["f1Score"] < incumbent["f1Score"]


class FullStore:
    """The store on a disk that takes no more."""

    def __init__(self, real: AssetStore) -> None:
        self._real = real

    def put(self, *_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_disk_that_is_full_while_saving_ends_the_job_with_what_to_do(lab: Lab, warm: Trainer) -> None:
    job_id = lab.request(lab.dataset(), kind=JobKind.FROZEN_HEAD)
    full = dataclasses.replace(lab.platform, store=FullStore(lab.platform.store))  # type: ignore[arg-type]
    outcome = run(dataclasses.replace(lab, platform=full), job_id, trainer=warm)
    assert (outcome.job.status, outcome.job.attempt) == ("failed", 1)
    assert outcome.job.refusal is not None
    assert outcome.job.refusal["code"] == "disk.no_space_left"
    assert "Free some space" in outcome.job.refusal["message"]
    assert outcome.version is None
    assert run_directories(lab) == []


def test_a_killed_trainer_is_tried_again_from_its_checkpoint(lab: Lab, warm: Trainer) -> None:
    def kill(running: RunningTrainer, message: Mapping[str, Any]) -> None:
        if message.get("step") == 25:
            os.kill(running.identity.pid, signal.SIGKILL)  # type: ignore[union-attr]

    job_id = lab.request(lab.dataset(), hyperparameters={"epochs": 20, "learningRate": 0.01})
    first = run(lab, job_id, trainer=Interfering(warm, kill))
    assert (first.job.status, first.job.attempt) == ("queued", 1)
    assert "code -9" in first.job.logs[-1]["message"]
    assert run_directories(lab) == []
    second = run(lab, job_id, trainer=warm)
    assert (second.job.status, second.job.attempt, second.job.fencing_token) == ("completed", 2, 2)
    assert second.version is not None
    assert second.version.metrics["training"]["resumedFromStep"] == 20


def test_an_attempt_that_was_overtaken_stops_and_its_result_is_refused(lab: Lab, warm: Trainer) -> None:
    gone = Refusal(code="training.worker_died", message="believed dead")

    def overtake(_: RunningTrainer, message: Mapping[str, Any]) -> None:
        if message["kind"] == "result":
            with lab.platform.open(lab.actor) as services:
                services.training.bury_attempt(job_id, 1, gone)

    job_id = lab.request(lab.dataset(), kind=JobKind.FROZEN_HEAD)
    trainer = Interfering(warm, overtake)
    outcome = run(lab, job_id, trainer=trainer)
    assert (outcome.job.status, outcome.version) == ("queued", None)
    with lab.platform.open(lab.actor) as services:
        assert [model.latest_version for model in services.registry.models(after=None, limit=10)] == [0]
        assert list(services.lifecycle.list(after=None, limit=10)) == []
    assert not trainer.identities[0].is_alive()


def test_a_cancelled_job_ends_its_trainer_and_keeps_nothing(lab: Lab, warm: Trainer) -> None:
    def cancel(_: RunningTrainer, message: Mapping[str, Any]) -> None:
        if message["kind"] == "progress":
            with lab.platform.open(lab.actor) as services:
                services.training.cancel(job_id)

    job_id = lab.request(lab.dataset())
    trainer = Interfering(warm, cancel)
    outcome = run(lab, job_id, trainer=trainer)
    assert outcome.job.status == "cancelled"
    assert not psutil.pid_exists(trainer.identities[0].pid)
    assert run_directories(lab) == []
    with pytest.raises(JobNotQueued):
        run(lab, job_id)


def one_class() -> Any:
    rows = sample_rows()
    rows["label"] = LABELS[0]
    return rows


def no_test_rows() -> Any:
    rows = sample_rows()
    return rows[rows.split != "test"]


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [(one_class, "trainer.one_class", "at least two labels"), (no_test_rows, "trainer.split_empty", "split test")],
)
def test_what_the_trainer_refuses_fails_the_job_with_its_words(
    lab: Lab, warm: Trainer, rows: Callable[[], Any], code: str, words: str
) -> None:
    outcome = run(lab, lab.request(lab.dataset(rows())), trainer=warm)
    assert (outcome.job.status, outcome.job.attempt, outcome.job.refusal["code"]) == ("failed", 1, code)  # type: ignore[index]
    assert words in outcome.job.refusal["message"]  # type: ignore[index]
    assert outcome.job.logs[-1]["level"] == "error"
    assert run_directories(lab) == []


def test_a_revoked_dataset_is_not_trained_on(lab: Lab) -> None:
    outcome = run(lab, lab.request(lab.dataset(status="revoked")))
    assert (outcome.job.status, outcome.job.refusal["code"]) == ("failed", "training.dataset_unusable")  # type: ignore[index]


def test_a_base_model_that_is_gone_fails_the_job_by_name(lab: Lab, workshop: Platform, models_home: Path) -> None:
    job_id = lab.request(lab.dataset())
    hidden = models_home / "models" / "hidden"
    (models_home / "models" / "tiny").rename(hidden)
    try:
        outcome = run(lab, job_id)
    finally:
        hidden.rename(models_home / "models" / "tiny")
    assert outcome.job.status == "failed"
    assert "local:tiny" in outcome.job.refusal["message"]  # type: ignore[index]
