import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.posterior import accuracy_from_gold, posterior

LABELS = ["a", "b", "c", "d"]

answers = st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0.05, 0.95)), max_size=12)


def test_two_agreeing_answers_at_eighty_percent_among_four_labels_are_hand_arithmetic() -> None:
    # .8 * .8 = .64 against three labels at (.2 / 3) ** 2 = 1 / 225 each: .64 / (.64 + 3 / 225) = 48 / 49
    result = posterior([("a", 0.8), ("a", 0.8)], LABELS)

    assert result["a"] == pytest.approx(48 / 49)
    assert result["b"] == result["c"] == result["d"] == pytest.approx(1 / 147)


@pytest.mark.parametrize(
    ("votes", "label", "confidence_pct"),
    [
        pytest.param([("OK", 0.7), ("OK", 0.9)], "OK", 97.7, id="two agree"),
        pytest.param([("OK", 0.7), ("BAD", 0.9)], "BAD", 76.1, id="two disagree"),
        pytest.param([("OK", 0.7), ("BAD", 0.9), ("BAD", 0.8)], "BAD", 96.2, id="a third decides"),
    ],
)
def test_the_worked_example_of_toloka_comes_out(
    votes: list[tuple[str, float]], label: str, confidence_pct: float
) -> None:
    """Toloka docs, "Dynamic overlap", example: labels OK, BAD, 404; skills 70, 90, 80."""
    assert 100 * posterior(votes, ["OK", "BAD", "404"])[label] == pytest.approx(confidence_pct, abs=0.05)


@given(answers)
def test_it_is_the_product_formula(votes: list[tuple[str, float]]) -> None:
    """The same formula without logarithms, as Toloka prints it."""
    weight = {truth: math.prod(q if answer == truth else (1 - q) / 3 for answer, q in votes) for truth in LABELS}
    expected = {truth: w / sum(weight.values()) for truth, w in weight.items()}

    assert posterior(votes, LABELS) == pytest.approx(expected)


@given(answers, st.randoms())
def test_the_order_of_answers_does_not_matter(votes: list[tuple[str, float]], random: Random) -> None:
    assert posterior(random.sample(votes, len(votes)), LABELS) == pytest.approx(posterior(votes, LABELS))


def test_without_answers_every_label_is_as_likely() -> None:
    assert posterior([], LABELS) == dict.fromkeys(LABELS, 0.25)


def test_a_guesser_changes_nothing_and_a_liar_speaks_for_the_others() -> None:
    assert posterior([("a", 0.25)], LABELS)["a"] == pytest.approx(0.25)
    assert posterior([("a", 0.1)], LABELS)["a"] == pytest.approx(0.1)


def test_ten_thousand_answers_do_not_underflow() -> None:
    result = posterior([("a", 0.6), ("b", 0.6)] * 5000, LABELS)

    assert result["a"] == pytest.approx(0.5)
    assert result["c"] == pytest.approx(0)


def test_certain_labelers_who_contradict_each_other_cancel_out() -> None:
    result = posterior([("a", 1.0), ("b", 1.0)], LABELS)

    assert result["a"] == result["b"] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("votes", "labels", "field"),
    [
        pytest.param([("x", 0.8)], LABELS, "answer", id="answer outside the set"),
        pytest.param([("a", 1.2)], LABELS, "accuracy", id="accuracy above one"),
        pytest.param([("a", -0.1)], LABELS, "accuracy", id="accuracy below zero"),
        pytest.param([("a", math.nan)], LABELS, "accuracy", id="accuracy not a number"),
        pytest.param([], ["a"], "labels", id="one label"),
        pytest.param([], ["a", "a"], "labels", id="repeated label"),
    ],
)
def test_nonsense_is_refused_by_name(votes: list[tuple[str, float]], labels: list[str], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}"):
        posterior(votes, labels)


@pytest.mark.parametrize(
    ("correct", "seen", "accuracy"),
    [
        pytest.param(0, 0, 1 / 2, id="nothing seen"),
        pytest.param(1, 1, 3 / 4, id="one right"),
        pytest.param(8, 9, 8.5 / 10, id="eight of nine"),
    ],
)
def test_accuracy_from_gold_starts_at_a_half(correct: int, seen: int, accuracy: float) -> None:
    assert accuracy_from_gold(correct=correct, seen=seen) == pytest.approx(accuracy)


def test_more_right_answers_than_gold_items_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and the 3 gold items"):
        accuracy_from_gold(correct=4, seen=3)
