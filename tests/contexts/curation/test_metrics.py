import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.metrics import macro_f1_difference, score

CLASSES = 4

pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=50)


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(rows).T

    scores = score(truth, predicted, n_classes=CLASSES)

    reference = precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=0)
    ours = [[getattr(c, name) for c in scores.per_class] for name in ("precision", "recall", "f1", "support")]
    assert np.array(ours) == pytest.approx(np.array(reference))
    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))


def test_scores_of_four_rows_are_hand_arithmetic() -> None:
    scores = score(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), n_classes=3)

    zero, one, absent = scores.per_class
    assert (zero.precision, zero.recall, zero.f1, zero.support) == (1, 0.5, pytest.approx(2 / 3), 2)
    assert (one.precision, one.recall, one.f1) == (pytest.approx(2 / 3), 1, pytest.approx(0.8))
    assert (absent.f1, absent.support) == (0, 0)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)  # a class nobody mentions takes no part
    assert scores.accuracy == 0.75


def models(
    seed: int, rows: int = 150, candidate: float = 0.8, incumbent: float = 0.7
) -> tuple[IntArray, IntArray, IntArray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, rows, p=[0.6, 0.3, 0.1])

    def predict(accuracy: float) -> IntArray:
        return np.where(rng.random(rows) < accuracy, truth, rng.integers(0, 3, rows))

    return truth, predict(candidate), predict(incumbent)


def test_the_difference_is_that_of_scikit_learns_scores() -> None:
    truth, candidate, incumbent = models(0)

    result = macro_f1_difference(truth, candidate, incumbent, rng=np.random.default_rng(0))

    expected = f1_score(truth, candidate, average="macro") - f1_score(truth, incumbent, average="macro")
    assert result.difference == pytest.approx(expected)
    assert result.low < result.difference < result.high


def macro_f1(truth: IntArray, predicted: IntArray) -> float:
    """By the definition, over all three classes: scikit-learn's takes too long to be called thousands of times."""
    hits = [np.sum((truth == k) & (predicted == k)) for k in range(3)]
    mentions = [np.sum(truth == k) + np.sum(predicted == k) for k in range(3)]
    return float(np.mean([2 * h / m if m else 0 for h, m in zip(hits, mentions, strict=True)]))


def test_the_interval_is_that_of_resampling_rows_one_by_one() -> None:
    truth, candidate, incumbent = models(1)
    rng = np.random.default_rng(2)
    naive = []
    for _ in range(3000):
        rows = rng.integers(0, len(truth), len(truth))
        naive.append(macro_f1(truth[rows], candidate[rows]) - macro_f1(truth[rows], incumbent[rows]))

    result = macro_f1_difference(truth, candidate, incumbent, rng=np.random.default_rng(3), resamples=8000)

    assert [result.low, result.high] == pytest.approx(np.quantile(naive, [0.05, 0.95]), abs=0.012)


def test_equal_models_differ_by_nothing_and_the_interval_knows() -> None:
    truth, candidate, _ = models(4)

    result = macro_f1_difference(truth, candidate, candidate, rng=np.random.default_rng(0))

    assert (result.difference, result.low, result.high) == (0, 0, 0)


def test_pairing_makes_the_interval_narrower_than_two_separate_ones() -> None:
    truth, candidate, _ = models(5, rows=300)
    incumbent = candidate.copy()
    incumbent[:15] = (incumbent[:15] + 1) % 3  # the same model but for fifteen rows

    paired = macro_f1_difference(truth, candidate, incumbent, rng=np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(300)
    alone = macro_f1_difference(truth, candidate, candidate[shuffled], rng=np.random.default_rng(0))

    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_swapping_the_models_mirrors_the_interval() -> None:
    truth, candidate, incumbent = models(6)

    forward = macro_f1_difference(truth, candidate, incumbent, rng=np.random.default_rng(0), resamples=20_000)
    backward = macro_f1_difference(truth, incumbent, candidate, rng=np.random.default_rng(1), resamples=20_000)

    assert forward.difference == pytest.approx(-backward.difference)
    assert [forward.low, forward.high] == pytest.approx([-backward.high, -backward.low], abs=0.005)


def test_ninety_percent_intervals_hold_the_true_difference_about_that_often() -> None:
    """Equal accuracy, independent errors: the true difference is 0. 200 trials, binomial noise of two points."""
    held = 0
    for seed in range(200):
        truth, candidate, incumbent = models(100 + seed, rows=200, candidate=0.75, incumbent=0.75)
        result = macro_f1_difference(truth, candidate, incumbent, rng=np.random.default_rng(seed), resamples=400)
        held += result.low <= 0 <= result.high

    assert 0.84 <= held / 200 <= 0.96
