"""Strengths from pairs: hand arithmetic, a peer's fit, and comparisons that have no answer."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from shifty_pipelines.contexts.curation.domain.bradley_terry import bradley_terry


def test_three_wins_of_four_are_three_to_one() -> None:
    ranking = bradley_terry(np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0]), n_items=2, imagined=0)

    assert ranking.probability(0, 1) == pytest.approx(3 / 4)
    assert ranking.converged


def test_who_never_lost_is_only_as_strong_as_was_shown() -> None:
    """One win, nothing else; each imagines one comparison with an average thing, half won.

    By symmetry b = 1/a. a's equation: 1.5 / a = 1 / (a + 1/a) + 1 / (a + 1), whose root is 1.7549 (bisection by hand).
    """
    ranking = bradley_terry(np.array([0]), np.array([1]), n_items=2)

    a = np.exp(ranking.log_strength[0])
    assert 1.5 / a == pytest.approx(1 / (a + 1 / a) + 1 / (a + 1))
    assert ranking.log_strength[1] == pytest.approx(-ranking.log_strength[0])
    assert 0.5 < ranking.probability(0, 1) < 0.9


def test_it_is_the_logistic_regression_of_differences() -> None:
    """Bradley & Terry (1952) in another dress: without a penalty sklearn finds the same strengths."""
    rng = np.random.default_rng(3)
    true = np.array([0.0, 0.5, -0.5, 1.0, -1.0])
    pairs = rng.integers(0, 5, (3_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    wins = rng.random(len(pairs)) < 1 / (1 + np.exp(true[pairs[:, 1]] - true[pairs[:, 0]]))
    winners, losers = np.where(wins, pairs[:, 0], pairs[:, 1]), np.where(wins, pairs[:, 1], pairs[:, 0])
    design = np.zeros((len(pairs), 5))
    design[np.arange(len(pairs)), pairs[:, 0]] = 1
    design[np.arange(len(pairs)), pairs[:, 1]] = -1
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(design, wins).coef_[0]

    ours = bradley_terry(winners, losers, n_items=5, imagined=0).log_strength

    assert ours - ours.mean() == pytest.approx(peer - peer.mean(), abs=1e-4)


def test_things_that_nobody_compared_are_average_and_islands_lie_on_one_scale() -> None:
    ranking = bradley_terry(np.array([0, 2]), np.array([1, 3]), n_items=5)

    assert ranking.log_strength[4] == pytest.approx(0)
    assert ranking.log_strength[[0, 1]] == pytest.approx(ranking.log_strength[[2, 3]])


@pytest.mark.parametrize(
    ("winners", "losers", "said"),
    [([0], [0], "with itself"), ([0, 1], [1], "as many of both"), ([7], [0], "expected 0 to 1")],
)
def test_comparisons_that_are_none_are_refused(winners: list[int], losers: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bradley_terry(np.array(winners), np.array(losers), n_items=2)
