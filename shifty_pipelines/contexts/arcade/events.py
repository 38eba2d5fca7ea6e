"""What happened in the Arcade."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionSettled(Event):
    """A mission's label is decided and its labelers are paid."""

    type: ClassVar[str] = "arcade.mission_settled"
    mission_id: uuid.UUID
    item_id: uuid.UUID
    mission_type: str
    label: str
    answer_count: int
    right_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionDisputed(Event):
    """Seven labelers could not agree, or time ran out; an owner or admin decides."""

    type: ClassVar[str] = "arcade.mission_disputed"
    mission_id: uuid.UUID
    item_id: uuid.UUID
    mission_type: str
    answer_count: int
