import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.consensus import expected_accuracy
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.votes import collect_votes


def test_the_posterior_is_the_vote_share() -> None:
    rows = [("i", "ann", "a"), ("i", "bob", "a"), ("i", "cid", "b"), ("j", "ann", "c")]

    votes, _ = collect_votes(rows, ["a", "b", "c"])

    assert majority_posterior(votes) == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 0, 1]]))


def test_accuracy_splits_ties_evenly_whichever_label_comes_first() -> None:
    three_way, two_way, clear = [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]
    posterior = np.array([three_way, two_way, two_way, clear])

    # 1/3 + 1/2 + 0 (the truth is no part of the tie) + 1
    assert expected_accuracy(posterior, np.array([2, 1, 2, 2])) == pytest.approx((1 / 3 + 1 / 2 + 0 + 1) / 4)


def test_items_without_a_known_truth_are_left_out() -> None:
    posterior = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])

    assert expected_accuracy(posterior, np.array([0, -1, 0])) == pytest.approx(0.5)


def test_without_any_known_truth_there_is_no_accuracy() -> None:
    assert np.isnan(expected_accuracy(np.array([[0.9, 0.1]]), np.array([-1])))


def test_no_votes_give_an_empty_posterior() -> None:
    votes, _ = collect_votes([], ["a", "b"])

    assert majority_posterior(votes).shape == (0, 2)
