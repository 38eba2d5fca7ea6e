import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.consensus import labeler_accuracy
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.one_coin import ONE_COIN, one_coin
from shifty_pipelines.contexts.curation.domain.votes import collect_votes
from tests.contexts.curation.anaesthetists import anaesthetists


def test_every_matrix_has_one_accuracy_and_even_errors() -> None:
    fitted = one_coin(anaesthetists())

    for matrix in fitted.confusion:
        assert np.ptp(np.diagonal(matrix)) == 0
        assert np.ptp(matrix[~np.eye(4, dtype=bool)]) == pytest.approx(0)
    assert fitted.algorithm == ONE_COIN


def test_the_first_round_is_hand_arithmetic() -> None:
    """Items i: a a b, j: a a a. Vote shares: i is a with 2/3. Expected hits: ann, bob 2/3 + 1, cid 1/3 + 1; all 14/3.

    Common accuracy 14/3 / 6 = 7/9. With two imagined votes at 7/9: ann (5/3 + 14/9) / 4 = 29/36, cid (4/3 + 14/9) / 4
    = 13/18.
    """
    rows = [("i", "ann", "a"), ("i", "bob", "a"), ("i", "cid", "b")]
    rows += [("j", who, "a") for who in ("ann", "bob", "cid")]
    votes, _ = collect_votes(rows, ["a", "b"])

    fitted = one_coin(votes, strength=2, stop=Stop(max_iterations=0))

    assert labeler_accuracy(fitted) == pytest.approx([29 / 36, 29 / 36, 13 / 18])


def test_unanimous_labelers_stay_short_of_certainty() -> None:
    votes, _ = collect_votes([(item, who, "a") for item in "ijk" for who in "wxyz"], ["a", "b"])

    fitted = one_coin(votes)

    assert labeler_accuracy(fitted).max() < 1
    assert np.isfinite(fitted.log_likelihood)
