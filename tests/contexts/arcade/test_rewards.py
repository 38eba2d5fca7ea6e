"""Rewards; ranges verbatim from the specification's table "Mission Types"."""

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.rewards import REWARD_RANGE_XP, Reward, mission_xp, settled_reward
from shifty_pipelines.contexts.arcade.errors import RewardOutOfRange

SPECIFIED = {
    "label_test_output": (50, 100, 75),
    "validate_selector": (30, 50, 40),
    "rate_test_quality": (40, 80, 60),
    "verify_fix": (60, 120, 90),
    "classify_error": (40, 60, 50),
    "annotate_ui_element": (50, 100, 75),
    "review_model_output": (70, 150, 110),
    "approve_deployment": (200, 500, 350),
}


def test_every_mission_type_has_a_range() -> None:
    assert {mission_type.value for mission_type in REWARD_RANGE_XP} == set(SPECIFIED)
    assert set(REWARD_RANGE_XP) == set(MissionType)


@pytest.mark.parametrize(("name", "lowest", "highest", "middle"), [(name, *row) for name, row in SPECIFIED.items()])
def test_a_mission_pays_inside_its_types_range(name: str, lowest: int, highest: int, middle: int) -> None:
    mission_type = MissionType(name)
    assert mission_xp(mission_type, lowest) == lowest
    assert mission_xp(mission_type, highest) == highest
    assert mission_xp(mission_type, None) == middle
    for outside in (lowest - 1, highest + 1):
        with pytest.raises(RewardOutOfRange, match=rf"{outside}; a {name} mission pays {lowest} to {highest}"):
            mission_xp(mission_type, outside)


def test_the_right_answer_is_paid_what_was_offered() -> None:
    assert settled_reward(MissionType.CLASSIFY_ERROR, Reward(55, 7), is_right=True) == Reward(55, 7)


def test_the_wrong_answer_is_paid_nothing() -> None:
    assert settled_reward(MissionType.CLASSIFY_ERROR, Reward(55, 7), is_right=False) == Reward(0, 0)


@pytest.mark.parametrize(("offered", "paid"), [(1000, 60), (1, 40)])
def test_an_offer_outside_the_range_is_held_inside_it_at_payment(offered: int, paid: int) -> None:
    assert settled_reward(MissionType.CLASSIFY_ERROR, Reward(offered, 0), is_right=True) == Reward(paid, 0)
