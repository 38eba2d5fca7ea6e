"""Rewards: what a mission may pay, and what a settlement does pay."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from shifty_pipelines.contexts.arcade.domain.missions import Difficulty, MissionType
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

#: Where in its type's range a mission pays whose author names no reward. The lower half is for authors who know that
#: theirs is a small one.
REWARD_FOR_DIFFICULTY: Mapping[Difficulty, Fraction] = {
    Difficulty.BEGINNER: Fraction(1, 2),
    Difficulty.INTERMEDIATE: Fraction(2, 3),
    Difficulty.ADVANCED: Fraction(5, 6),
    Difficulty.EXPERT: Fraction(1),
}
#: A right answer that nobody else gave is worth this much more: following the others never pays.
MAX_QUALITY_BONUS = Fraction(1, 4)

#: What everybody starts with; clients show it on a new profile.
STARTING_COINS = 100


@dataclass(frozen=True, slots=True)
class Reward:
    """What an answer earns."""

    xp: int
    coins: int


def mission_xp(mission_type: MissionType, wanted_xp: int | None, difficulty: Difficulty = Difficulty.BEGINNER) -> int:
    """The XP a new mission pays: what its author wants inside the type's range, else more the harder it is.

    Raises:
        RewardOutOfRange: the wanted XP is outside the range.
    """
    lowest, highest = REWARD_RANGE_XP[mission_type]
    if wanted_xp is None:
        return lowest + int((highest - lowest) * REWARD_FOR_DIFFICULTY[difficulty])
    if not lowest <= wanted_xp <= highest:
        raise RewardOutOfRange(mission_type.value, wanted_xp, lowest=lowest, highest=highest)
    return wanted_xp


def late_reward(mission_type: MissionType) -> Reward:
    """What an answer is offered that came after its slot had gone: the least its type pays, and no coins."""
    return Reward(REWARD_RANGE_XP[mission_type][0], 0)


def settled_reward(
    mission_type: MissionType, offered: Reward, *, is_right: bool, agreement: Fraction = Fraction(1)
) -> Reward:
    """What an answer is paid at settlement: nothing when it differs from the settled label, else the offer and more.

    How much more grows with the share of answers that differed, up to a quarter: where most were wrong the item was
    hard. The sum is held inside the type's range (a mission may be older than the table); coins are paid as offered.

    Args:
        mission_type: whose range holds.
        offered: what the mission promised.
        is_right: whether the answer is the settled label.
        agreement: share of the mission's answers that are the settled label, 0 to 1.
    """
    if not is_right:
        return Reward(0, 0)
    lowest, highest = REWARD_RANGE_XP[mission_type]
    scaled_xp = int(offered.xp * (1 + MAX_QUALITY_BONUS * (1 - agreement)))
    return Reward(min(max(scaled_xp, lowest), highest), offered.coins)
