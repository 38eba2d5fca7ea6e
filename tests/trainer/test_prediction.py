import shutil
from pathlib import Path

import numpy as np
import pytest

from shifty_trainer.job import ModelKind, parse_job
from shifty_trainer.prediction import Predictor
from shifty_trainer.refusals import BaseModelChanged, ModelVersionBroken
from shifty_trainer.result import Result
from shifty_trainer.rows import TEST
from shifty_trainer.run import run_job
from tests.trainer.conftest import LABELS, Messages, sample_rows, wire_job, write_base_model

ROWS = sample_rows()
TEST_TEXTS = list(ROWS[ROWS.split == TEST].text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Result:
    hyperparameters = {"epochs": 8, "learningRate": 0.05}
    wire = wire_job(tmp_path_factory.mktemp("run"), base_model, ROWS, hyperparameters=hyperparameters)
    return run_job(parse_job(wire), Messages())


@pytest.fixture
def adapter(finished: Result) -> Path:
    return finished.candidates[ModelKind.ADAPTER].path


@pytest.mark.parametrize("kind", list(ModelKind))
def test_a_loaded_version_answers_as_it_was_evaluated(finished: Result, base_model: Path, kind: ModelKind) -> None:
    exported = finished.candidates[kind]

    predictor = Predictor.load(exported.path, base_model=base_model)

    assert predictor.labels == tuple(LABELS)
    assert predictor.probabilities(TEST_TEXTS) == pytest.approx(exported.candidate.test_probabilities, abs=1e-5)


def test_the_two_candidates_differ(finished: Result, base_model: Path) -> None:
    adapter, frozen = (
        Predictor.load(finished.candidates[kind].path, base_model=base_model).probabilities(TEST_TEXTS)
        for kind in ModelKind
    )

    assert np.abs(adapter - frozen).max() > 0.01


def test_no_texts_no_answers(adapter: Path, base_model: Path) -> None:
    predictor = Predictor.load(adapter, base_model=base_model)

    assert predictor.probabilities([]).shape == (0, 3)


def test_any_text_is_answered_with_probabilities(adapter: Path, base_model: Path) -> None:
    predictor = Predictor.load(adapter, base_model=base_model)

    answers = predictor.probabilities(["", "\x00", "page " * 2_000_000, "日本語 🙂"])

    assert answers.sum(axis=1) == pytest.approx(np.ones(4))
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("name", ["head.safetensors", "adapter_model.safetensors", "model.json"])
def test_a_harmed_version_is_refused(adapter: Path, base_model: Path, tmp_path: Path, name: str) -> None:
    directory = tmp_path / "adapter"
    shutil.copytree(adapter, directory)
    content = bytearray((directory / name).read_bytes())
    content[-3] ^= 1
    (directory / name).write_bytes(content)

    with pytest.raises(ModelVersionBroken, match=name):
        Predictor.load(directory, base_model=base_model)


def test_another_base_model_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = write_base_model(tmp_path / "other", layers=5)

    with pytest.raises(BaseModelChanged):
        Predictor.load(adapter, base_model=other)


def test_a_version_is_json_and_safetensors_only(adapter: Path) -> None:
    assert {path.suffix for path in adapter.iterdir()} == {".json", ".safetensors"}
