from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.agreement import Metric, agreement_interval, krippendorff_alpha
from shifty_pipelines.contexts.curation.domain.arrays import IntArray

#: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D: four observers, twelve units, values 1
#: to 5, a dot is missing. Published alphas: nominal .743, ordinal .815, interval .849. The nominal one is 113/152.
FOUR_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]

#: Krippendorff (2011), section B: two observers, twelve units, no missing data. Published: .692 (310/448).
TWO_OBSERVERS = ["aabbdcccedda", "babbbccceddd"]

#: Wikipedia, "Krippendorff's alpha", a computational example: three coders, fifteen units. Nominal .691, interval .811.
THREE_CODERS = [".....34121133.3", "1.213343.......", "..21344.21133.4"]


def counted(observers: list[str], values: str) -> IntArray:
    """Votes per unit and value."""
    assert len({len(row) for row in observers}) == 1
    return np.array([[[row[u] for row in observers].count(v) for v in values] for u in range(len(observers[0]))])


@pytest.mark.parametrize(
    ("metric", "published"),
    [(Metric.NOMINAL, 0.743), (Metric.ORDINAL, 0.815), (Metric.INTERVAL, 0.849)],
)
def test_krippendorffs_example_with_missing_data_comes_out(metric: Metric, published: float) -> None:
    alpha = krippendorff_alpha(counted(FOUR_OBSERVERS, "12345"), metric=metric)

    assert alpha == pytest.approx(published, abs=0.0005)


def test_the_nominal_alpha_of_that_example_is_a_known_fraction() -> None:
    assert krippendorff_alpha(counted(FOUR_OBSERVERS, "12345")) == pytest.approx(113 / 152, abs=1e-12)


def test_krippendorffs_example_of_two_observers_comes_out() -> None:
    assert krippendorff_alpha(counted(TWO_OBSERVERS, "abcde")) == pytest.approx(0.692, abs=0.0005)


@pytest.mark.parametrize(("metric", "published"), [(Metric.NOMINAL, 0.691), (Metric.INTERVAL, 0.811)])
def test_the_example_of_three_coders_comes_out(metric: Metric, published: float) -> None:
    alpha = krippendorff_alpha(counted(THREE_CODERS, "1234"), metric=metric)

    assert alpha == pytest.approx(published, abs=0.0005)


def test_interval_values_may_be_named() -> None:
    counts = counted(FOUR_OBSERVERS, "12345")

    shifted = krippendorff_alpha(counts, metric=Metric.INTERVAL, values=[10, 20, 30, 40, 50])
    squared = krippendorff_alpha(counts, metric=Metric.INTERVAL, values=[1, 4, 9, 16, 25])

    assert shifted == pytest.approx(0.849, abs=0.0005)  # an interval scale has no zero and no unit
    assert squared != pytest.approx(0.849, abs=0.005)


def by_pairs(units: list[list[int]], metric: Metric) -> float | None:
    """Alpha from its definition over pairs of votes, without coincidences: the slow way to the same number."""
    units = [unit for unit in units if len(unit) >= 2]
    pooled = [v for unit in units for v in unit]

    def distance(a: int, b: int) -> float:
        if metric is Metric.NOMINAL:
            return float(a != b)
        if metric is Metric.INTERVAL:
            return float(a - b) ** 2
        low, high = min(a, b), max(a, b)
        return (sum(low <= v <= high for v in pooled) - (pooled.count(a) + pooled.count(b)) / 2) ** 2

    n = len(pooled)
    observed = sum(
        distance(u[i], u[j]) / (len(u) - 1) for u in units for i, j in product(range(len(u)), repeat=2) if i != j
    )
    expected = sum(distance(a, b) for a in pooled for b in pooled) / (n - 1)
    return 1 - observed / expected if expected else None


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=8), st.sampled_from(Metric))
@settings(max_examples=150)
def test_it_is_one_minus_observed_over_expected_disagreement_over_pairs(units: list[list[int]], metric: Metric) -> None:
    counts = np.array([[unit.count(v) for v in range(4)] for unit in units], dtype=np.int64).reshape(-1, 4)

    alpha, slow = krippendorff_alpha(counts, metric=metric), by_pairs(units, metric)

    assert (alpha is None) == (slow is None)
    if alpha is not None:
        assert alpha == pytest.approx(slow)


def test_perfect_agreement_is_one_and_systematic_disagreement_negative() -> None:
    assert krippendorff_alpha(np.array([[3, 0], [0, 3], [3, 0]])) == pytest.approx(1)
    assert krippendorff_alpha(np.array([[1, 1]] * 10)) == pytest.approx(1 - 19 / 10)  # De = 10/19 of all pairs, Do = 1


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param(np.empty((0, 3), dtype=np.int64), id="no items"),
        pytest.param(np.array([[1, 0], [0, 1]]), id="one vote each"),
        pytest.param(np.array([[2, 0], [3, 0]]), id="one label in use"),
    ],
)
def test_alpha_is_undefined_where_no_disagreement_could_show(counts: IntArray) -> None:
    assert krippendorff_alpha(counts) is None
    assert agreement_interval(counts, rng=np.random.default_rng(0)) is None


# ------------------------------------------------------------------------------------------------------------ interval


def test_the_interval_is_that_of_resampling_items_one_by_one() -> None:
    rng = np.random.default_rng(5)
    counts = rng.multinomial(3, [0.7, 0.2, 0.1], 40) + rng.multinomial(1, [0.1, 0.5, 0.4], 40)
    naive = [krippendorff_alpha(counts[rng.integers(0, 40, 40)]) for _ in range(2500)]

    interval = agreement_interval(counts, rng=np.random.default_rng(1), resamples=4000)

    assert interval.alpha == krippendorff_alpha(counts)
    assert [interval.low, interval.high] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.008)
    assert interval.defined_resamples == 4000


@pytest.mark.parametrize("metric", Metric)
def test_the_interval_holds_alpha_and_narrows_with_more_items(metric: Metric) -> None:
    few = counted(FOUR_OBSERVERS, "12345")
    many = np.tile(few, (30, 1))

    wide = agreement_interval(few, metric=metric, rng=np.random.default_rng(0))
    narrow = agreement_interval(many, metric=metric, rng=np.random.default_rng(0))

    assert wide.low < wide.alpha < wide.high
    assert narrow.low < narrow.alpha < narrow.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3


def test_the_same_generator_gives_the_same_interval() -> None:
    counts = counted(FOUR_OBSERVERS, "12345")

    assert agreement_interval(counts, rng=np.random.default_rng(9)) == agreement_interval(
        counts, rng=np.random.default_rng(9)
    )


def test_resamples_of_one_label_only_are_counted_out() -> None:
    counts = np.array([[2, 0], [2, 0], [1, 1]])  # 8 in 27 resamples never draw the third item

    interval = agreement_interval(counts, rng=np.random.default_rng(0), resamples=1000)

    assert interval.defined_resamples == pytest.approx(1000 * 19 / 27, abs=60)
    assert interval.high <= 1
