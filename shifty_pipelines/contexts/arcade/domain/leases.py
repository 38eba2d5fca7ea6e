"""How long a claimed slot is kept, drafts, and skips."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shifty_pipelines.contexts.arcade.domain.missions import MAX_LEASE, MIN_LEASE, MissionView, lease_duration

#: WCAG 2.2, 2.2.1 (Timing Adjustable): a time limit can be extended at least ten times.
MAX_LEASE_LENGTHS = 10
#: Answers that tell how long a type takes: with fewer, the ninetieth percentile is nearly the longest of them.
FEWEST_TIMED = 20
#: Of the latest answers only: people learn, and the query stays as small as it is.
RECENT_TIMED = 2_000
#: The ninetieth percentile of two thousand answers moves slowly.
MEASURED_EVERY = timedelta(minutes=10)
MAX_DRAFT_BYTES = 64 * 1024
#: Skips of a day that cost nothing: some items are simply bad.
FREE_SKIPS = 10
SKIP_WINDOW = timedelta(hours=24)


class SkipReason(StrEnum):
    """Why a labeler passes a mission on."""

    UNCLEAR_INSTRUCTIONS = "unclear_instructions"
    MISSING_CONTEXT = "missing_context"
    BROKEN_ITEM = "broken_item"
    OUTSIDE_EXPERTISE = "outside_expertise"
    PERSONAL_DATA = "personal_data"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    """An answer under way, as its labeler's client saved it."""

    mission_id: uuid.UUID
    content: Mapping[str, Any] = field(repr=False)
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedMission:
    """A mission passed on, and how many more may be today."""

    mission: MissionView
    is_free: bool
    free_skips_left: int


def lease_of(p90_s: float | None, time_estimate_minutes: int) -> timedelta:
    """Three times what nine of ten answers of the type take, 5 minutes to a day; by the estimate where none is known.

    Example:
        >>> lease_of(200.0, 60)
        datetime.timedelta(seconds=600)
    """
    if p90_s is None:
        return lease_duration(time_estimate_minutes)
    return min(max(3 * timedelta(seconds=p90_s), MIN_LEASE), MAX_LEASE)


def extended_lease(claimed_at: datetime, length: timedelta, *, now: datetime) -> datetime:
    """Until when a heartbeat at `now` keeps a slot: one length from now, at most ten lengths from its claim."""
    return min(now + length, claimed_at + MAX_LEASE_LENGTHS * length)
