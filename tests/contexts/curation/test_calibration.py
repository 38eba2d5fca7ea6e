import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.calibration import (
    expected_calibration_error,
    reliability_bins,
    top_decisions,
)


def test_bins_and_error_of_five_decisions_are_hand_arithmetic() -> None:
    """Two bins of ten: (.6, .7] holds .65 and .70, one right; (.9, 1] holds .95, .95 and 1, two right.

    Gaps .675 - .5 = .175 and .9667 - .6667 = .3; the error is (2 * .175 + 3 * .3) / 5 = .25.
    """
    confidence, correct = np.array([0.65, 0.70, 0.95, 0.95, 1.0]), np.array([True, False, True, False, True])

    low, high = reliability_bins(confidence, correct, bins=10)

    assert (low.low, low.high, low.count) == (pytest.approx(0.6), pytest.approx(0.7), 2)
    assert (low.mean_confidence, low.accuracy) == (pytest.approx(0.675), pytest.approx(0.5))
    assert (high.low, high.high, high.count) == (pytest.approx(0.9), pytest.approx(1.0), 3)
    assert (high.mean_confidence, high.accuracy) == (pytest.approx(2.9 / 3), pytest.approx(2 / 3))
    assert expected_calibration_error(confidence, correct, bins=10) == pytest.approx(0.25)


def test_a_confidence_of_zero_falls_in_the_lowest_bin() -> None:
    (only,) = reliability_bins(np.array([0.0]), np.array([False]))

    assert (only.low, only.count) == (0, 1)


def test_a_kept_promise_has_no_error_and_a_broken_one_its_whole_confidence() -> None:
    certain = np.ones(10)

    assert expected_calibration_error(certain, np.ones(10, dtype=bool)) == 0
    assert expected_calibration_error(certain, np.zeros(10, dtype=bool)) == 1


def test_draws_from_their_own_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 200_000)

    assert expected_calibration_error(confidence, rng.random(200_000) < confidence) < 0.01


def test_no_decisions_have_no_error() -> None:
    assert np.isnan(expected_calibration_error(np.array([]), np.array([], dtype=bool)))


def test_decisions_are_the_top_class_of_items_with_a_known_truth() -> None:
    posterior = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])

    confidence, correct = top_decisions(posterior, np.array([0, 0, -1]))

    assert confidence.tolist() == [0.7, 0.6]
    assert correct.tolist() == [True, False]
