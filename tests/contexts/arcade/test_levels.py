"""Level thresholds; the expected numbers are those of the specification and of existing clients."""

import pytest

from shifty_pipelines.contexts.arcade.domain.levels import MAX_LEVEL, XP_FOR_LEVEL, level_of, xp_to_next_level

#: Verbatim from the specification ("Levels & XP").
SPECIFIED = {1: 0, 2: 100, 3: 250, 5: 1_000, 10: 9_000, 15: 50_000}


@pytest.mark.parametrize(("level", "xp"), SPECIFIED.items())
def test_a_level_is_reached_at_the_xp_the_specification_names(level: int, xp: int) -> None:
    assert level_of(xp) == level
    assert xp == 0 or level_of(xp - 1) == level - 1


def test_the_last_level_is_reachable_and_the_last() -> None:
    assert (level_of(49_999), level_of(50_000), level_of(10_000_000), MAX_LEVEL) == (14, 15, 15, 15)


def test_every_level_costs_more_than_the_one_before() -> None:
    assert list(XP_FOR_LEVEL) == sorted(set(XP_FOR_LEVEL))


def test_reversals_below_zero_do_not_take_the_first_level() -> None:
    assert level_of(-50) == 1


@pytest.mark.parametrize(
    ("xp", "next_xp"),
    [
        pytest.param(0, 100, id="newcomer"),
        pytest.param(100, 250, id="exactly on a threshold"),
        pytest.param(49_999, 50_000, id="one short of the last level"),
        pytest.param(50_000, 50_000, id="at the last level there is no next"),
        pytest.param(61_000, 61_000, id="past the last level"),
    ],
)
def test_the_next_level_is_told_as_a_total(xp: int, next_xp: int) -> None:
    assert xp_to_next_level(xp) == next_xp
