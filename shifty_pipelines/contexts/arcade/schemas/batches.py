"""Templates and batches on the wire."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field, StringConstraints

from shifty_pipelines.contexts.arcade.domain.batches import MAX_BATCH, BatchState, NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import (
    DEFAULT_SLOTS,
    MAX_SLOTS,
    MIN_SLOTS,
    Difficulty,
    MissionType,
)
from shifty_pipelines.contexts.arcade.schemas.answers import Label
from shifty_pipelines.kernel.wire import RequestBody, WireModel

_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=_NO_NUL)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_NUL)]
LongText = Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NUL)]


class AddTemplateBody(RequestBody):
    """A pattern of missions; what is left out gets its type's default."""

    name: Name
    type: MissionType
    title: Title
    description: LongText = ""
    instructions: LongText = ""
    labels: Annotated[list[Label], Field(min_length=2, max_length=100)] | None = None
    difficulty: Difficulty = Difficulty.BEGINNER
    xp_reward: Annotated[int, Field(ge=1, le=1000)] | None = None
    coin_reward: Annotated[int, Field(ge=0, le=100)] = 0
    time_estimate_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    required_skill_level: Annotated[int, Field(ge=1, le=100)] = 1
    slot_count: Annotated[int, Field(ge=MIN_SLOTS, le=MAX_SLOTS)] = DEFAULT_SLOTS
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0

    def template(self) -> NewTemplate:
        """The template in the Arcade's words."""
        said = self.model_dump(exclude={"labels"})
        return NewTemplate(**said, labels=None if self.labels is None else tuple(self.labels))


class CreateBatchBody(RequestBody):
    """A mission about each payload, after a template."""

    any_text: ClassVar[frozenset[str]] = frozenset({"payloads"})

    template_id: uuid.UUID
    name: Name
    payloads: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]
    expires_at: AwareDatetime | None = None


class TemplateOut(WireModel):
    """A template."""

    id: uuid.UUID
    name: str
    type: MissionType
    title: str
    description: str
    instructions: str
    labels: list[str] | None
    difficulty: Difficulty
    xp_reward: int
    coin_reward: int
    time_estimate_minutes: int
    required_skill_level: int
    slot_count: int
    priority: int
    created_at: AwareDatetime


class BatchOut(WireModel):
    """A batch, and how many of its missions are in which state."""

    id: uuid.UUID
    name: str
    template_id: uuid.UUID
    state: BatchState
    mission_count: int
    counts: Mapping[str, int]
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
