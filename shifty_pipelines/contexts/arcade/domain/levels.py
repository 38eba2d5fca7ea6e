"""Levels: how much settled XP holds which level."""

from bisect import bisect_right
from collections.abc import Sequence

#: Total XP that holds level n, at index n - 1. The specification gives levels 1, 2, 3, 5, 10 and 15; the steps between
#: are those that existing clients draw their progress bars with.
XP_FOR_LEVEL: Sequence[int] = (
    0, 100, 250, 500, 1000, 1500, 2500, 4000, 6000, 9000, 13000, 18000, 25000, 35000, 50000,
)  # fmt: skip
MAX_LEVEL = len(XP_FOR_LEVEL)


def level_of(xp: int) -> int:
    """The level that `xp` holds, 1 to 15; reversals may bring XP below zero, and level 1 is never lost."""
    return max(1, bisect_right(XP_FOR_LEVEL, xp))


def xp_to_next_level(xp: int) -> int:
    """The total XP that holds the next level (not what is missing); at the last level, the present XP."""
    level = level_of(xp)
    return xp if level == MAX_LEVEL else XP_FOR_LEVEL[level]
