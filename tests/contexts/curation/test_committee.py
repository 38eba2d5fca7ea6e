"""Several aggregators in one: alike without gold, by their hits on gold where there is some."""

import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.committee import GOLD_TEMPERATURE, Member, committee
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.votes import Votes, collect_votes

VOTES, _ = collect_votes([(item, "ann", "a") for item in "ijklmnop"], ["a", "b"])


def member_who_says(share_of_a: float, *, told: float | None = None) -> Member:
    """Gives every item the same posterior; another one when told truths."""

    def fit(votes: Votes, truths: IntArray | None) -> Consensus:
        share = share_of_a if truths is None or told is None else told
        posterior: FloatArray = np.tile([share, 1 - share], (votes.n_items, 1))
        return Consensus(
            algorithm=Algorithm(name="fixed", version=1),
            posterior=posterior,
            confusion=np.full((votes.n_labelers, 2, 2), 0.5),
            class_prior=np.array([0.5, 0.5]),
            log_likelihood=0.0,
            iterations=0,
            converged=True,
        )

    return fit


def test_without_gold_all_have_the_same_say() -> None:
    verdict = committee(VOTES, members=[member_who_says(0.9), member_who_says(0.3), member_who_says(0.6)])

    assert verdict.weights == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert verdict.consensus.posterior[0] == pytest.approx([0.6, 0.4])


def test_gold_weighs_members_by_the_exponential_of_their_hits() -> None:
    """Eight gold items, all of class a: the first hits 8, the second none, the third (a tie) half of each, 4."""
    members = [member_who_says(0.9), member_who_says(0.1), member_who_says(0.5)]

    verdict = committee(VOTES, truths=np.zeros(8, dtype=np.int64), members=members)

    expected = np.exp(np.array([8, 0, 4]) / GOLD_TEMPERATURE)
    assert verdict.weights == pytest.approx(expected / expected.sum())


def test_a_member_is_judged_untold_and_heard_told() -> None:
    parrot = member_who_says(0.1, told=1.0)  # knows the gold only once it was told

    verdict = committee(VOTES, truths=np.zeros(8, dtype=np.int64), members=[parrot, member_who_says(0.9)])

    assert verdict.weights[0] == pytest.approx(1 / (1 + np.exp(8 / GOLD_TEMPERATURE)))
    assert verdict.consensus.posterior[0, 0] == pytest.approx(verdict.weights @ [1.0, 0.9])
