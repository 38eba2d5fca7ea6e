"""Badges: what they are called, how rare they are, and what earns them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shifty_pipelines.contexts.arcade.domain.boards import MIN_ACCURACY_ANSWERS


class Rarity(StrEnum):
    """How few have a badge."""

    COMMON = "common"
    UNCOMMON = "uncommon"
    RARE = "rare"
    EPIC = "epic"
    LEGENDARY = "legendary"


class Criterion(StrEnum):
    """What a badge is about."""

    MISSIONS_COMPLETED = "missions_completed"
    STREAK_DAYS = "streak_days"
    ACCURACY = "accuracy"
    LEVEL = "level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What a labeler has done: all that badges are earned by."""

    completed_count: int = 0
    longest_streak_days: int = 0
    settled_count: int = 0
    right_count: int = 0
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """One badge. `threshold` counts missions, days or levels, or is a share of right answers."""

    id: str
    name: str
    description: str
    rarity: Rarity
    criterion: Criterion
    threshold: float


#: Ids and thresholds are the specification's; level_10 and the rarities are those existing clients show.
BADGES: Sequence[Badge] = (
    Badge(
        id="first_mission", name="First mission", description="Complete your first mission",
        rarity=Rarity.COMMON, criterion=Criterion.MISSIONS_COMPLETED, threshold=1,
    ),
    Badge(
        id="ten_missions", name="Ten missions", description="Complete 10 missions",
        rarity=Rarity.UNCOMMON, criterion=Criterion.MISSIONS_COMPLETED, threshold=10,
    ),
    Badge(
        id="hundred_missions", name="Hundred missions", description="Complete 100 missions",
        rarity=Rarity.EPIC, criterion=Criterion.MISSIONS_COMPLETED, threshold=100,
    ),
    Badge(
        id="week_streak", name="One week", description="7-day streak",
        rarity=Rarity.UNCOMMON, criterion=Criterion.STREAK_DAYS, threshold=7,
    ),
    Badge(
        id="month_streak", name="One month", description="30-day streak",
        rarity=Rarity.RARE, criterion=Criterion.STREAK_DAYS, threshold=30,
    ),
    Badge(
        id="high_accuracy", name="Sharp eye",
        description=f"95% accuracy over at least {MIN_ACCURACY_ANSWERS} settled answers",
        rarity=Rarity.RARE, criterion=Criterion.ACCURACY, threshold=0.95,
    ),
    Badge(
        id="level_10", name="Level 10", description="Reach level 10",
        rarity=Rarity.UNCOMMON, criterion=Criterion.LEVEL, threshold=10,
    ),
)  # fmt: skip


def earned_badges(deeds: Deeds) -> list[str]:
    """The ids of the badges that these deeds earn, in the order of the table."""
    return [badge.id for badge in BADGES if _REACHED[badge.criterion](deeds) >= badge.threshold]


def _accuracy(deeds: Deeds) -> float:
    """The share of right answers, 0 while there are too few to say."""
    if deeds.settled_count < MIN_ACCURACY_ANSWERS:
        return 0.0
    return deeds.right_count / deeds.settled_count


_REACHED: dict[Criterion, Callable[[Deeds], float]] = {
    Criterion.MISSIONS_COMPLETED: lambda deeds: deeds.completed_count,
    Criterion.STREAK_DAYS: lambda deeds: deeds.longest_streak_days,
    Criterion.ACCURACY: _accuracy,
    Criterion.LEVEL: lambda deeds: deeds.level,
}
