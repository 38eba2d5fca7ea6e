"""Whole jobs in one process, on a tiny model."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from sklearn.metrics import f1_score

import shifty_trainer.recipe
import shifty_trainer.run
from shifty_trainer.candidates import Candidate, better
from shifty_trainer.evaluation import Evaluation, evaluate
from shifty_trainer.heads import LinearHead
from shifty_trainer.job import ModelKind, TrainingJob
from shifty_trainer.recipe import MEASURED
from shifty_trainer.refusals import (
    BaseModelBroken,
    BaseModelChanged,
    BaseModelMissing,
    JobInvalid,
    NoSpaceLeft,
    OneClassOnly,
)
from shifty_trainer.reporting import Kind
from shifty_trainer.result import Result
from shifty_trainer.run import run_job
from shifty_trainer.training import StopRequested
from shifty_trainer.whole_directory import read_whole
from tests.trainer.conftest import LABELS, JobFactory, Messages, sample_rows, write_base_model


def run(job: TrainingJob, messages: Messages | None = None) -> Result:
    return run_job(job, messages or Messages())


def predictions(job: TrainingJob) -> pd.DataFrame:
    return pq.read_table(job.output_dir / "report" / "predictions.parquet").to_pandas()


def test_a_job_exports_both_candidates_and_reports_every_model(make_job: JobFactory, messages: Messages) -> None:
    job = make_job()
    result = run(job, messages)

    assert sorted(path.name for path in job.output_dir.iterdir()) == ["adapter", "frozen_head", "report"]
    assert set(read_whole(job.output_dir / "adapter").files) == {
        *("model.json", "head.json", "head.safetensors", "adapter_config.json", "adapter_model.safetensors"),
    }
    assert set(read_whole(job.output_dir / "frozen_head").files) == {"model.json", "head.json", "head.safetensors"}
    written = json.loads((job.output_dir / "report" / "result.json").read_text())
    assert written == json.loads(json.dumps(result.as_message()))
    assert set(written["baselines"]) == {"majority", "tfidf"}
    assert written["rows"] == {"train": 36, "validation": 12, "test": 12}
    assert [body["phase"] for body in messages.of(Kind.PROGRESS) if "step" not in body] == [
        *("loading", "embedding", "baselines", "training", "fitting the head", "exporting"),
    ]


def test_predictions_hold_what_the_evaluations_say(make_job: JobFactory) -> None:
    job = make_job()
    result = run(job)

    table = predictions(job)
    evaluations = {kind.value: exported.candidate.test for kind, exported in result.candidates.items()}
    evaluations |= {name: baseline for name, baseline in result.baselines.items() if baseline is not None}
    assert set(table.model) == {"majority", "tfidf", "adapter", "frozen_head"} == set(evaluations)
    assert list(table.columns) == ["model", "row_id", "truth", "probabilities"]
    for name, rows in table.groupby("model"):
        predicted = [LABELS[int(np.argmax(row))] for row in rows.probabilities]
        assert f1_score(rows.truth, predicted, average="macro") == pytest.approx(evaluations[str(name)].macro_f1)


def test_the_same_job_gives_the_same_files(make_job: JobFactory) -> None:
    first, second = run(make_job(name="one")), run(make_job(name="two"))

    for kind in ModelKind:
        assert first.candidates[kind].manifest == second.candidates[kind].manifest


def test_a_frozen_head_alone_trains_no_adapter(make_job: JobFactory, messages: Messages) -> None:
    job = make_job(kind="frozen_head")
    result = run(job, messages)

    assert result.registered is ModelKind.FROZEN_HEAD
    assert set(result.candidates) == {ModelKind.FROZEN_HEAD}
    assert not (job.output_dir / "adapter").exists()
    assert result.training == {}


def test_a_second_start_goes_on_where_the_first_stopped(make_job: JobFactory, messages: Messages) -> None:
    job = make_job(checkpointEverySteps=3, hyperparameters={"epochs": 4, "batchSize": 12})
    run(job)
    again = run(job, messages)

    assert again.training["resumedFromStep"] == 12
    assert "trainer.resumed" in messages.events()


def test_the_adapter_is_trained_again_on_all_rows_for_as_many_steps_as_were_best(
    make_job: JobFactory, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifty_trainer.recipe, "MEASURED", replace(MEASURED, epochs=2, minimum_steps=4, batch_size=12))
    rows = sample_rows()
    result = run(make_job(rows, hyperparameters={}), messages)
    assert result.training["refitSteps"] == result.training["bestStep"] > 0
    assert [body["phase"] for body in messages.of(Kind.PROGRESS) if "step" not in body][-2:] == [
        *("refitting on all rows", "exporting"),
    ]
    given = {"epochs": 1, "gradientAccumulationSteps": 1, "batchSize": 12}
    once = run(make_job(rows, name="once", hyperparameters=given))
    assert "refitSteps" not in once.training, "given epochs are obeyed exactly"


def test_a_stop_while_refitting_goes_on_from_the_last_state_to_the_same_files(
    make_job: JobFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifty_trainer.recipe, "MEASURED", replace(MEASURED, epochs=2, minimum_steps=4, batch_size=12))
    straight = run(make_job(name="straight", hyperparameters={}))
    job, messages = make_job(name="stopped", hyperparameters={}), Messages()

    def is_refitting() -> bool:
        return any(body["phase"] == "refitting on all rows" for body in messages.of(Kind.PROGRESS))

    with pytest.raises(StopRequested) as stopped:
        run_job(job, messages, is_stop_requested=is_refitting)
    again = run(job)

    assert stopped.value.saved.step == again.training["resumedFromStep"] == straight.training["steps"]
    assert again.candidates[ModelKind.ADAPTER].manifest == straight.candidates[ModelKind.ADAPTER].manifest


def test_other_hyperparameters_do_not_go_on_from_an_old_checkpoint(make_job: JobFactory, messages: Messages) -> None:
    run(make_job(checkpointEverySteps=3))
    again = run(make_job(checkpointEverySteps=3, hyperparameters={"epochs": 5}), messages)

    assert again.training["resumedFromStep"] is None
    assert "trainer.checkpoint_skipped" in messages.events()


def test_warnings_reach_log_and_report(make_job: JobFactory, messages: Messages) -> None:
    rows = sample_rows()
    rows.loc[0, "text"] = "page " * 2_000_000
    result = run(
        make_job(rows, hyperparameters={"epochs": 4, "warmupSteps": 100}, labels=[*LABELS, "praise"]), messages
    )

    assert len(result.warnings) == 3
    assert "warmupSteps 100 exceeds the 8 steps" in result.warnings[0]
    assert "1 texts were cut" in result.warnings[1]
    assert "'praise' has no training rows" in result.warnings[2]
    assert [body["fields"]["warning"] for body in messages.of(Kind.LOG) if body["level"] == "warning"] == list(
        result.warnings
    )


def test_the_base_model_may_be_pinned(make_job: JobFactory, base_model: Path) -> None:
    with pytest.raises(BaseModelChanged):
        run(make_job(baseModel={"path": str(base_model), "sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"baseModel": {"path": "/nowhere"}}, BaseModelMissing, id="no base model"),
        pytest.param({"device": "cuda"}, JobInvalid, id="no CUDA device"),
        pytest.param({"rows": sample_rows().assign(label="bug")}, OneClassOnly, id="one class"),
    ],
)
def test_a_refused_job_leaves_nothing_behind(
    make_job: JobFactory, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], refusal: type[Exception]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    job = make_job(changes.pop("rows", None), **changes)

    with pytest.raises(refusal):
        run(job)

    assert not job.output_dir.exists()
    assert not job.checkpoints_dir.exists()


def test_a_base_model_that_computes_no_numbers_is_refused(make_job: JobFactory, tmp_path: Path) -> None:
    base = write_base_model(tmp_path / "base")
    weights = safetensors.torch.load_file(base / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = torch.nan
    safetensors.torch.save_file(weights, base / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BaseModelBroken, match="for 60 rows"):
        run(make_job(base=base))


def test_a_disk_that_fills_while_rows_are_read_is_named(make_job: JobFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise datasets.exceptions.DatasetGenerationError("generating") from OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(datasets.Dataset, "from_parquet", full)
    job = make_job()
    with pytest.raises(NoSpaceLeft, match=str(job.run_dir)):
        run(job)

    assert not job.output_dir.exists()


def test_one_validation_row_of_each_label_is_warned_of(make_job: JobFactory) -> None:
    result = run(make_job(sample_rows({"train": 6, "validation": 1, "test": 2})))

    assert "no two validation rows share a label" in result.warnings[0]


def test_a_run_directory_that_does_not_exist_is_refused(make_job: JobFactory) -> None:
    with pytest.raises(JobInvalid, match="an existing directory"):
        run(make_job(runDir="/nowhere"))


def test_the_better_candidate_is_registered(make_job: JobFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifty_trainer.run, "better", lambda adapter, _: adapter)
    assert run(make_job(name="one")).registered is ModelKind.ADAPTER

    monkeypatch.setattr(shifty_trainer.run, "better", lambda _, frozen: frozen)
    assert run(make_job(name="two")).registered is ModelKind.FROZEN_HEAD


def candidate(kind: ModelKind, right: float, confidence: float) -> Candidate:
    """A candidate whose ten validation answers are right in `right` of cases with one confidence."""
    truth = np.tile([0, 1], 5)
    predicted = np.where(np.arange(10) < right * 10, truth, 1 - truth)
    probabilities = np.where(np.eye(2)[predicted] == 1, confidence, 1 - confidence)
    evaluation: Evaluation = evaluate(probabilities, truth, labels=["a", "b"])
    head = LinearHead(labels=("a", "b"), weights=np.zeros((2, 1)), bias=np.zeros(2), c=1.0)
    return Candidate(kind=kind, head=head, validation=evaluation, test=evaluation, test_probabilities=probabilities)


@pytest.mark.parametrize(
    ("adapter", "frozen", "winner"),
    [
        pytest.param((0.8, 0.6), (0.6, 0.9), ModelKind.ADAPTER, id="higher F1"),
        pytest.param((0.6, 0.9), (0.8, 0.6), ModelKind.FROZEN_HEAD, id="lower F1"),
        pytest.param((0.8, 0.8), (0.8, 0.99), ModelKind.ADAPTER, id="same F1, lower log loss"),
        pytest.param((0.8, 0.99), (0.8, 0.8), ModelKind.FROZEN_HEAD, id="same F1, higher log loss"),
        pytest.param((0.8, 0.8), (0.8, 0.8), ModelKind.FROZEN_HEAD, id="no difference: the cheaper one"),
    ],
)
def test_the_choice_is_by_validation(
    adapter: tuple[float, float], frozen: tuple[float, float], winner: ModelKind
) -> None:
    chosen = better(candidate(ModelKind.ADAPTER, *adapter), candidate(ModelKind.FROZEN_HEAD, *frozen))

    assert chosen.kind is winner


def test_test_rows_decide_nothing(make_job: JobFactory) -> None:
    rows = sample_rows()
    shuffled = rows.copy()
    is_test = rows.split == "test"
    shuffled.loc[is_test, "label"] = list(np.roll(rows.label[is_test], 4))

    first, second = run(make_job(rows, name="one")), run(make_job(shuffled, name="two"))

    for kind in ModelKind:
        assert first.candidates[kind].manifest == second.candidates[kind].manifest
        assert first.candidates[kind].candidate.validation == second.candidates[kind].candidate.validation
    assert first.registered is second.registered
