"""Templates and batches: how many missions are made of one pattern, and stopped together."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shifty_pipelines.contexts.arcade.domain.missions import DEFAULT_SLOTS, Difficulty, MissionType

#: Missions made at once: their payloads come in one body, their keys with one wait for the disk.
MAX_BATCH = 500


class BatchState(StrEnum):
    """Whether a batch's missions are given out."""

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplate:
    """A pattern of missions as its author wants it."""

    name: str
    type: MissionType
    title: str
    description: str = ""
    instructions: str = ""
    #: Labels of these missions alone; None where those of the type hold.
    labels: tuple[str, ...] | None = None
    difficulty: Difficulty = Difficulty.BEGINNER
    xp_reward: int | None = None
    coin_reward: int = 0
    time_estimate_minutes: int = 5
    required_skill_level: int = 1
    slot_count: int = DEFAULT_SLOTS
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch, and how many of its missions are in which state."""

    id: uuid.UUID
    name: str
    template_id: uuid.UUID
    state: BatchState
    mission_count: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    counts: Mapping[str, int] = field(default_factory=dict)
