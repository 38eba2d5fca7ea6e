"""Labelers who err together: the law of the bound, what correlation changes, and the published figures."""

import itertools

import numpy as np
import pytest

from bench.consensus import crowd_folder, read_crowd_set
from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.consensus import expected_accuracy
from shifty_pipelines.contexts.curation.domain.ebcc import ebcc
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.votes import Votes, collect_votes
from tests.contexts.curation.simulated import simulated_votes

FOLDER = crowd_folder()


def test_every_round_raises_the_bound() -> None:
    votes, _ = simulated_votes(
        np.random.default_rng(2), items=60, per_item=4, accuracy=[0.9, 0.7, 0.6, 0.5, 0.8], classes=3
    )

    bounds = [
        ebcc(votes, subtypes=[3], starts=1, stop=Stop(max_iterations=rounds, tolerance=0)).log_likelihood
        for rounds in range(1, 12)
    ]

    assert all(later >= sooner - 1e-9 for sooner, later in itertools.pairwise(bounds))


def test_one_vote_is_hand_arithmetic() -> None:
    """One labeler says a of one item, two classes, no subtypes, no rounds: the parameters are the vote's shares.

    The answers' Dirichlet of class a is (4 + 1, 1), of class b (1, 4): the confusion's rows are 5/6, 1/6 and 1/5, 4/5.
    """
    votes, _ = collect_votes([("i", "ann", "a")], ["a", "b"])

    fitted = ebcc(votes, subtypes=[1], stop=Stop(max_iterations=0))

    assert fitted.confusion[0] == pytest.approx(np.array([[5 / 6, 1 / 6], [1 / 5, 4 / 5]]))
    assert fitted.class_prior == pytest.approx([2 / 3, 1 / 3])


def test_errors_made_together_are_one_witness_where_independent_models_count_each() -> None:
    """Three labelers who copy one that is right with 0.5, six others right with 0.7 on their own, five classes.

    Agreeing always, the copies look sure of themselves to models that take them for independent.
    """
    crowds = [_crowd_with_copies(seed) for seed in range(4)]

    def accuracy(subtypes: int) -> float:
        fits = [(ebcc(votes, subtypes=[subtypes]).posterior, truth) for votes, truth in crowds]
        return float(np.mean([expected_accuracy(posterior, truth) for posterior, truth in fits]))

    assert accuracy(3) > accuracy(1) + 0.1


def test_the_votes_say_whether_there_are_subtypes() -> None:
    copied, _ = _crowd_with_copies(0)
    plain, _ = simulated_votes(
        np.random.default_rng(7), items=300, per_item=5, accuracy=[0.9, 0.8, 0.8, 0.7, 0.7, 0.6], classes=3
    )

    for votes, expected in ((copied, 3), (plain, 1)):
        best = ebcc(votes).log_likelihood
        assert best == pytest.approx(ebcc(votes, subtypes=[expected]).log_likelihood)


@pytest.mark.skipif(FOLDER is None, reason="no folder shared/data/crowd above this checkout")
@pytest.mark.parametrize(
    ("name", "published"),
    [("CF", 0.883), ("ZC_us", 0.912), ("dog", 0.840), ("product", 0.935), ("rte", 0.931), ("senti_1k", 0.961)],
)
def test_the_published_figures_are_met(name: str, published: float) -> None:
    """Notebook outputs of the paper's authors, ten subtypes; `web` is left out, where their model loses to a vote."""
    one = read_crowd_set(FOLDER, name)

    assert expected_accuracy(ebcc(one.votes).posterior, one.truth) == pytest.approx(published, abs=0.006)


def _crowd_with_copies(seed: int) -> tuple[Votes, IntArray]:
    rng = np.random.default_rng(seed)
    n_items, n_classes, n_copies, n_others = 600, 5, 3, 6
    truth = rng.integers(0, n_classes, n_items)

    def answers(accuracy: float, count: int) -> IntArray:
        is_right = rng.random((n_items, count)) < accuracy
        wrong = (truth[:, None] + rng.integers(1, n_classes, (n_items, count))) % n_classes
        return np.where(is_right, truth[:, None], wrong)

    slips = rng.random((n_items, n_copies)) < 0.02
    copies = np.where(slips, rng.integers(0, n_classes, (n_items, n_copies)), answers(0.5, 1))
    given = np.hstack([copies, answers(0.7, n_others)])
    rows = [(f"{item:04}", f"{who}", "abcde"[label]) for (item, who), label in np.ndenumerate(given)]
    return collect_votes(rows, list("abcde"))[0], truth
