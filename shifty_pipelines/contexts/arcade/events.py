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


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionSkipped(Event):
    """A labeler passed a mission on; `is_free` while their day's free skips last."""

    type: ClassVar[str] = "arcade.mission_skipped"
    mission_id: uuid.UUID
    labeler_id: uuid.UUID
    mission_type: str
    reason: str
    is_free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDecided(Event):
    """The quorum of a deployment is complete, or its time was over; it is paid when the outcome is known."""

    type: ClassVar[str] = "arcade.deployment_decided"
    mission_id: uuid.UUID
    item_id: uuid.UUID
    decision: str
    approve_count: int
    answer_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionCancelled(Event):
    """A mission was called off; what had been answered is paid."""

    type: ClassVar[str] = "arcade.mission_cancelled"
    mission_id: uuid.UUID
    item_id: uuid.UUID
    mission_type: str
    answer_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeAwarded(Event):
    """A labeler earned a badge."""

    type: ClassVar[str] = "arcade.badge_awarded"
    labeler_id: uuid.UUID
    badge: str
