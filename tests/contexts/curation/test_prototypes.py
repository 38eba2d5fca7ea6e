"""Labelers as mixtures of two ways to answer: the law of the bound, few votes per labeler, the published mean."""

import itertools

import numpy as np
import pytest

from bench.consensus import SETS, crowd_folder, read_crowd_set
from shifty_pipelines.contexts.curation.domain.consensus import expected_accuracy, labeler_accuracy
from shifty_pipelines.contexts.curation.domain.dawid_skene import dawid_skene
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.prototypes import shared_prototypes
from tests.contexts.curation.simulated import simulated_votes

FOLDER = crowd_folder()


def test_every_round_raises_the_bound() -> None:
    votes, _ = simulated_votes(
        np.random.default_rng(2), items=60, per_item=4, accuracy=[0.9, 0.7, 0.6, 0.2, 0.8], classes=3
    )

    bounds = [
        shared_prototypes(votes, stop=Stop(max_iterations=rounds, tolerance=0)).log_likelihood
        for rounds in range(1, 12)
    ]

    assert all(later >= sooner - 1e-9 for sooner, later in itertools.pairwise(bounds))


def test_with_few_votes_per_labeler_and_many_classes_it_beats_a_matrix_of_each_ones_own() -> None:
    """300 labelers give some seven votes each on eight classes: nobody can fill a matrix of 64 cells."""
    rng = np.random.default_rng(4)
    accuracy = list(np.where(rng.random(300) < 0.7, 0.8, 0.2))
    votes, truth = simulated_votes(rng, items=400, per_item=5, accuracy=accuracy, classes=8)

    shared = expected_accuracy(shared_prototypes(votes).posterior, truth)

    assert shared > expected_accuracy(dawid_skene(votes).posterior, truth) + 0.05
    assert shared > 0.85


def test_labelers_fall_into_those_who_know_and_those_who_do_not() -> None:
    votes, _ = simulated_votes(
        np.random.default_rng(6), items=300, per_item=6, accuracy=[0.9] * 6 + [0.2] * 3, classes=4
    )

    skills = labeler_accuracy(shared_prototypes(votes))

    assert skills[:6].min() > 0.8
    assert skills[6:].max() < 0.4


@pytest.mark.skipif(FOLDER is None, reason="no folder shared/data/crowd above this checkout")
def test_the_mean_over_the_seven_sets_is_the_published_one() -> None:
    """Another implementation's mean on the same votes is .878; set by set the two differ by their pseudo-counts."""
    sets = [read_crowd_set(FOLDER, name) for name in SETS]

    accuracies = [expected_accuracy(shared_prototypes(one.votes).posterior, one.truth) for one in sets]

    assert np.mean(accuracies) == pytest.approx(0.878, abs=0.005)
