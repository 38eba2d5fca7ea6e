"""Steps of a scale: habits are learnt, near misses are likelier than far ones, and few votes are enough."""

import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.consensus import expected_accuracy
from shifty_pipelines.contexts.curation.domain.dawid_skene import pooled_dawid_skene
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.ordinal import STRAY_SHARE, ordinal
from shifty_pipelines.contexts.curation.domain.votes import Votes, collect_votes

N_CLASSES = 7


def rated(rng: np.random.Generator, *, items: int, bias: list[float], spread: float) -> tuple[Votes, IntArray]:
    """Three of the raters per item, each off by their own bias and a Gaussian, rounded to the scale."""
    truth = rng.integers(0, N_CLASSES, items)
    who = np.argsort(rng.random((items, len(bias))), axis=1)[:, :3]
    said = np.rint(truth[:, None] + np.array(bias)[who] + rng.normal(0, spread, who.shape)).clip(0, N_CLASSES - 1)
    rows = [
        (f"{item:04}", f"{rater:02}", str(int(label)))
        for item, (raters, labels) in enumerate(zip(who, said, strict=True))
        for rater, label in zip(raters, labels, strict=True)
    ]
    return collect_votes(rows, [str(step) for step in range(N_CLASSES)])[0], truth


def test_habits_are_learnt_and_taken_off() -> None:
    """Of ten raters half say a step more than they mean: a model without an order needs far more votes to see that."""
    accuracies = []
    for seed in range(3):
        votes, truth = rated(np.random.default_rng(seed), items=150, bias=[0.0] * 6 + [1.5] * 4, spread=0.7)
        accuracies.append(
            [expected_accuracy(fitted.posterior, truth) for fitted in (ordinal(votes), pooled_dawid_skene(votes))]
        )

    ordered, unordered = np.mean(accuracies, axis=0)

    assert ordered > unordered + 0.05


def test_a_near_miss_is_likelier_than_a_far_one() -> None:
    votes, _ = rated(np.random.default_rng(5), items=200, bias=[0.0] * 6, spread=1.0)

    confusion = ordinal(votes).confusion

    for matrix in confusion:
        assert (np.diff(matrix[3, 3:]) <= 0).all()
        assert (np.diff(matrix[3, :4]) >= 0).all()


def test_the_first_round_is_hand_arithmetic() -> None:
    """One rater says 1 of two items, three steps, no imagined answers, truths 0 and 2: bias 0, spread 1.

    Of truth 0 the densities at 0, 1, 2 steps off are 1, exp(-1/2), exp(-2).
    """
    votes, _ = collect_votes([("i", "ann", "1"), ("j", "ann", "1")], ["0", "1", "2"])

    fitted = ordinal(votes, strength=0, truths=np.array([0, 2]), stop=Stop(max_iterations=0))

    density = np.exp([0, -0.5, -2])
    expected = (1 - STRAY_SHARE) * density / density.sum() + STRAY_SHARE / 3
    assert fitted.confusion[0, 0] == pytest.approx(expected)
