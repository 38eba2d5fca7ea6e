"""The arithmetic of `bench/issue_reports.py`: its folds, its scores and its intervals."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

SCRIPT = Path(__file__).parents[2] / "bench" / "issue_reports.py"
LABELS = ("bug", "feature", "question")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("issue_reports", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    path = tmp_path / "issues.csv"
    cells = [(repo, label) for repo in ("a/one", "b/two") for label in LABELS for _ in range(100)]
    pd.DataFrame(
        {
            "repo": [repo for repo, _ in cells],
            "label": [label for _, label in cells],
            "title": [f"title {number}" for number in range(len(cells))],
            "body": ["NA" if number % 2 else "" for number in range(len(cells))],
        }
    ).to_csv(path, index=False)
    return path


def test_every_answer_is_held_out_once_and_never_trained_on_then(bench: ModuleType, reports: Path) -> None:
    trainings = list(bench._fold_trainings(reports))

    assert [training.tenant for training in trainings] == ["a/one"] * 5 + ["b/two"] * 5
    for training in trainings:
        assert training.rows.row_id.is_unique
        counts = training.rows.groupby(["split", "label"]).size()
        assert dict(counts["test"]) == dict.fromkeys(LABELS, 20)
        assert dict(counts["validation"]) == dict.fromkeys(LABELS, 12)
        assert dict(counts["train"]) == dict.fromkeys(LABELS, 68)
    held_out = pd.concat([training.rows[training.rows.split == "test"] for training in trainings])
    assert held_out.row_id.is_unique
    assert len(held_out) == 600


def test_the_folds_are_the_same_every_time(bench: ModuleType, reports: Path) -> None:
    assert bench._fingerprint(list(bench._fold_trainings(reports))) == bench._fingerprint(
        list(bench._fold_trainings(reports))
    )


def test_the_word_na_is_a_text(bench: ModuleType, reports: Path) -> None:
    assert bench._read(reports).text[1] == "title 1. NA"


def _answers(bench: ModuleType, *, right: dict[str, float], seed: int = 1) -> object:
    """300 answers; each model is right in its share, otherwise one label further."""
    truth = np.tile([0, 1, 2], 100)
    luck = np.random.default_rng(seed).random(300)
    predicted = {name: np.where(luck < right.get(name, 0.6), truth, (truth + 1) % 3) for name in bench.TITLES}
    return bench.Answers(labels=LABELS, truth=truth, predicted=predicted)


def test_scores_are_scikit_learns(bench: ModuleType) -> None:
    answers = _answers(bench, right={"adapter": 0.8})

    score = bench._scores({"a/one": answers})["adapter"][0]

    assert score == pytest.approx(f1_score(answers.truth, answers.predicted["adapter"], average="macro"))


def test_equal_models_differ_by_nothing_in_every_sample(bench: ModuleType) -> None:
    samples = bench._bootstrap({"a/one": _answers(bench, right={})})

    assert not (samples["adapter"] - samples["frozen_head"]).any()


def test_the_interval_of_an_accuracy_is_the_textbooks(bench: ModuleType) -> None:
    # with symmetrical errors macro F1 is close to accuracy; 0.8 of 300: standard error sqrt(0.8 * 0.2 / 300) = 0.0231
    samples = bench._bootstrap({"a/one": _answers(bench, right={"adapter": 0.8})})["adapter"]

    assert samples.shape == (bench.BOOTSTRAP_SAMPLES, 1)
    assert samples.std() == pytest.approx(0.0231, rel=0.1)


@pytest.mark.parametrize(
    ("adapter", "registered", "exit_code"),
    [
        pytest.param(0.85, 0.85, 0, id="all claims hold"),
        pytest.param(0.70, 0.72, 1, id="the adapter's mean is too low"),
        pytest.param(0.85, 0.55, 1, id="a registered model is below its frozen head"),
    ],
)
def test_a_missed_claim_is_exit_code_one(
    bench: ModuleType, adapter: float, registered: float, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    right = {"adapter": adapter, "registered": registered, "frozen_head": 0.65}
    by_tenant = {f"t{seed}": _answers(bench, right=right, seed=seed) for seed in range(3)}

    assert bench._verdict(bench._scores(by_tenant), bench._bootstrap(by_tenant)) == exit_code
    assert ("MISSED" in capsys.readouterr().out) is (exit_code == 1)
