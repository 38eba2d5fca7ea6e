from pathlib import Path

import numpy as np
import pytest
import torch

from shifty_trainer.heads import fit_head
from shifty_trainer.job import ModelKind
from shifty_trainer.prediction import Predictor
from shifty_trainer.refusals import BaseModelChanged, ModelVersionBroken
from shifty_trainer.rows import TEST
from shifty_trainer.run import JobRun
from tests.trainer.conftest import JobFactory, Messages, sample_rows, write_base_model

ROWS = sample_rows()
TEST_TEXTS = list(ROWS[ROWS.split == TEST].text)


@pytest.fixture
def finished(make_job: JobFactory) -> JobRun:
    job_run = JobRun(
        make_job(hyperparameters={"epochs": 8, "learningRate": 0.05}), Messages(), is_stop_requested=lambda: False
    )
    job_run.result = job_run.run()  # type: ignore[attr-defined] # kept for the tests
    return job_run


@pytest.mark.parametrize("kind", list(ModelKind))
def test_a_loaded_version_answers_as_it_was_evaluated(finished: JobRun, base_model: Path, kind: ModelKind) -> None:
    exported = finished.result.candidates[kind]  # type: ignore[attr-defined] # set by the fixture

    predictor = Predictor.load(exported.path, base_model=base_model)

    assert predictor.labels == finished.rows.labels
    assert predictor.probabilities(TEST_TEXTS) == pytest.approx(exported.candidate.test_probabilities, abs=1e-5)


def test_the_two_candidates_differ(finished: JobRun, base_model: Path) -> None:
    adapter, frozen = (
        Predictor.load(finished.job.output_dir / kind.value, base_model=base_model).probabilities(TEST_TEXTS)
        for kind in ModelKind
    )

    assert np.abs(adapter - frozen).max() > 0.01


def test_no_texts_no_answers(finished: JobRun, base_model: Path) -> None:
    predictor = Predictor.load(finished.job.output_dir / "adapter", base_model=base_model)

    assert predictor.probabilities([]).shape == (0, 3)


def test_any_text_is_answered_with_probabilities(finished: JobRun, base_model: Path) -> None:
    predictor = Predictor.load(finished.job.output_dir / "adapter", base_model=base_model)

    answers = predictor.probabilities(["", "\x00", "page " * 2_000_000, "日本語 🙂"])

    assert answers.sum(axis=1) == pytest.approx(np.ones(4))
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("name", ["head.safetensors", "adapter_model.safetensors", "model.json"])
def test_a_harmed_version_is_refused(finished: JobRun, base_model: Path, name: str) -> None:
    directory = finished.job.output_dir / "adapter"
    content = bytearray((directory / name).read_bytes())
    content[-3] ^= 1
    (directory / name).write_bytes(content)

    with pytest.raises(ModelVersionBroken, match=name):
        Predictor.load(directory, base_model=base_model)


def test_another_base_model_is_refused(finished: JobRun, tmp_path: Path) -> None:
    other = write_base_model(tmp_path / "other", layers=5)

    with pytest.raises(BaseModelChanged):
        Predictor.load(finished.job.output_dir / "adapter", base_model=other)


def test_nothing_in_a_version_is_pickled(finished: JobRun) -> None:
    files = list((finished.job.output_dir / "adapter").iterdir())

    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert fit_head(np.eye(2), np.array([0, 1]), labels=("a", "b"), c=1.0).weights.dtype == np.float32
    assert torch.get_num_threads() == 1
