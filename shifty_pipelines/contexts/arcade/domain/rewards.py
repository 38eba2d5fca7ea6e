"""Rewards: what a mission may pay, and what a settlement does pay."""

from collections.abc import Mapping
from dataclasses import dataclass

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.errors import RewardOutOfRange

#: XP a mission of each type may pay, lowest and highest. Source: the specification's table "Mission Types".
REWARD_RANGE_XP: Mapping[MissionType, tuple[int, int]] = {
    MissionType.LABEL_TEST_OUTPUT: (50, 100),
    MissionType.VALIDATE_SELECTOR: (30, 50),
    MissionType.RATE_TEST_QUALITY: (40, 80),
    MissionType.VERIFY_FIX: (60, 120),
    MissionType.CLASSIFY_ERROR: (40, 60),
    MissionType.ANNOTATE_UI_ELEMENT: (50, 100),
    MissionType.REVIEW_MODEL_OUTPUT: (70, 150),
    MissionType.APPROVE_DEPLOYMENT: (200, 500),
}

#: What everybody starts with; clients show it on a new profile.
STARTING_COINS = 100


@dataclass(frozen=True, slots=True)
class Reward:
    """What an answer earns."""

    xp: int
    coins: int


def mission_xp(mission_type: MissionType, wanted_xp: int | None) -> int:
    """The XP a new mission pays: what its author wants inside the type's range, the middle if they do not say.

    Raises:
        RewardOutOfRange: the wanted XP is outside the range.
    """
    lowest, highest = REWARD_RANGE_XP[mission_type]
    if wanted_xp is None:
        return (lowest + highest) // 2
    if not lowest <= wanted_xp <= highest:
        raise RewardOutOfRange(mission_type.value, wanted_xp, lowest=lowest, highest=highest)
    return wanted_xp


def late_reward(mission_type: MissionType) -> Reward:
    """What an answer is offered that came after its slot had gone: the least its type pays, and no coins."""
    return Reward(REWARD_RANGE_XP[mission_type][0], 0)


def settled_reward(mission_type: MissionType, offered: Reward, *, is_right: bool) -> Reward:
    """What an answer is paid at settlement: nothing when it differs from the settled label, else the offer.

    The offer is held inside the type's range once more: a mission may be older than the table.
    """
    if not is_right:
        return Reward(0, 0)
    lowest, highest = REWARD_RANGE_XP[mission_type]
    return Reward(min(max(offered.xp, lowest), highest), offered.coins)
