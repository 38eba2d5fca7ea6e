import numpy as np
import pytest
import safetensors.numpy
from sklearn.linear_model import LogisticRegression

from shifty_trainer.fitting import C_GRID, choose_c, fit_head
from shifty_trainer.heads import CONFIG_NAME, WEIGHTS_NAME, head_from_files

LABELS = ("bug", "feature", "question")


def _clouds(label_ids: np.ndarray, *, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.eye(6)[label_ids] + rng.normal(scale=0.7, size=(len(label_ids), 6))


@pytest.mark.parametrize("classes", [(0, 1, 2), (0, 2)])
def test_the_head_predicts_as_scikit_learn_does(classes: tuple[int, ...]) -> None:
    label_ids = np.resize(classes, 60)
    embeddings = _clouds(label_ids)
    reference = LogisticRegression(C=3.0, max_iter=2000).fit(embeddings, label_ids)

    probabilities = fit_head(embeddings, label_ids, labels=LABELS, c=3.0).probabilities(embeddings)

    assert probabilities[:, list(classes)] == pytest.approx(reference.predict_proba(embeddings), abs=1e-6)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))


def test_a_label_without_training_rows_is_never_predicted() -> None:
    label_ids = np.resize([0, 2], 20)

    probabilities = fit_head(_clouds(label_ids), label_ids, labels=LABELS, c=1.0).probabilities(_clouds(label_ids))

    assert not probabilities[:, 1].any()


def test_a_head_survives_its_files() -> None:
    label_ids = np.resize([0, 1, 2], 30)
    head = fit_head(_clouds(label_ids), label_ids, labels=LABELS, c=3.0)
    files = head.files()

    again = head_from_files(files[WEIGHTS_NAME], files[CONFIG_NAME])

    assert again.labels == LABELS
    assert np.array_equal(again.probabilities(_clouds(label_ids)), head.probabilities(_clouds(label_ids)))
    assert set(safetensors.numpy.load(files[WEIGHTS_NAME])) == {"weights", "bias"}


def test_a_head_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        head_from_files(b"", b'{"version": 99}')


def test_noise_asks_for_a_stronger_penalty_than_signal() -> None:
    label_ids = np.resize([0, 1, 2], 90)
    noise = np.random.default_rng(4).normal(size=(90, 40))
    signal = 5 * np.eye(3)[label_ids]

    of_noise = choose_c(noise, label_ids, seed=1, default=3.0)
    of_signal = choose_c(signal, label_ids, seed=1, default=3.0)

    assert (of_noise, of_signal) == (min(C_GRID), max(C_GRID))


def test_too_few_rows_to_fold_keep_the_default() -> None:
    assert choose_c(np.eye(3), np.array([0, 1, 1]), seed=1, default=3.0) == 3.0
