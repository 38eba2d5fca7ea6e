"""Bodies of the Arcade on the wire."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AwareDatetime, Field, StringConstraints, WrapValidator, model_validator

from shifty_pipelines.contexts.arcade.domain.missions import (
    DEFAULT_SLOTS,
    MAX_LIVE,
    MAX_SLOTS,
    MIN_SLOTS,
    Answer,
    CompletedMission,
    Difficulty,
    MissionType,
    MissionView,
    NewMission,
    ViewStatus,
)
from shifty_pipelines.contexts.arcade.schemas.answers import AnyAnswer, Label
from shifty_pipelines.kernel.wire import RequestBody, WireModel

# PostgreSQL's text holds every character but NUL.
_NO_NUL = r"^[^\x00]*$"
Title = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_NUL)]
LongText = Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NUL)]
FencingToken = Annotated[int, Field(ge=1, lt=2**63)]


class CreateMissionBody(RequestBody):
    """A question about one item; what is left out gets its type's default."""

    any_text: ClassVar[frozenset[str]] = frozenset({"payload"})

    type: MissionType
    title: Title
    description: LongText = ""
    instructions: LongText = ""
    difficulty: Difficulty = Difficulty.BEGINNER
    xp_reward: Annotated[int, Field(ge=1, le=1000)] | None = None
    coin_reward: Annotated[int, Field(ge=0, le=100)] = 0
    time_estimate_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    required_skill_level: Annotated[int, Field(ge=1, le=100)] = 1
    expires_at: AwareDatetime | None = None
    slot_count: Annotated[int, Field(ge=MIN_SLOTS, le=MAX_SLOTS)] = DEFAULT_SLOTS
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    payload: dict[str, Any] | None = None
    #: Instead of a payload: the error event that the mission is about.
    error_event_id: uuid.UUID | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> "CreateMissionBody":
        if (self.payload is None) == (self.error_event_id is None):
            raise ValueError("give either payload or errorEventId")
        return self

    def mission(self) -> NewMission:
        """The mission, without the payload, which goes into the item."""
        return NewMission(
            type=self.type,
            title=self.title,
            description=self.description,
            instructions=self.instructions,
            difficulty=self.difficulty,
            xp_reward=self.xp_reward,
            coin_reward=self.coin_reward,
            time_estimate_minutes=self.time_estimate_minutes,
            required_skill_level=self.required_skill_level,
            expires_at=self.expires_at,
            slot_count=self.slot_count,
            priority=self.priority,
        )


class NextBody(RequestBody):
    """How many missions to hold."""

    type: MissionType | None = None
    count: Annotated[int, Field(ge=1, le=MAX_LIVE)] = 1


class AssignBody(RequestBody):
    """Whom to assign it to; the caller when left out."""

    user_id: uuid.UUID | None = None


class StartBody(RequestBody):
    """Who acts; always the caller, and the caller when left out."""

    user_id: uuid.UUID | None = None


def _as_it_came(value: Any, _validate: object) -> Mapping[str, Any]:
    """An object; which form it must have is its mission's to say, so `schemas.answers.read_answer` looks at it."""
    if not isinstance(value, dict):
        raise ValueError("an object is expected, in the form that the mission asks for")  # noqa: TRY004  # pydantic's way
    return value


class CompleteBody(StartBody):
    """A mission's answer in its form; the fencing token says for which assignment it was worked out."""

    any_text: ClassVar[frozenset[str]] = frozenset({"result"})

    result: Annotated[AnyAnswer, WrapValidator(_as_it_came)]
    fencing_token: FencingToken | None = None

    def as_it_came(self) -> Mapping[str, Any]:
        """The answer, not yet looked at."""
        return cast("Mapping[str, Any]", self.result)


class UndoBody(StartBody):
    """Which answer to take back."""

    fencing_token: FencingToken


class AdjudicateBody(RequestBody):
    """What a disputed mission's answer is."""

    label: Label


def result_out(answer: Answer) -> Mapping[str, Any]:
    """One's own answer: its label, and what its form says beside it, by wire name."""
    said = {"selectedOption": answer.label, "confidence": answer.confidence, "notes": answer.notes}
    return {**said, **answer.given, **answer.texts}


class MissionOut(WireModel):
    """A mission as the caller sees it."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    type: MissionType
    difficulty: Difficulty
    status: ViewStatus
    title: str
    description: str
    instructions: str
    xp_reward: int
    coin_reward: int
    time_estimate_minutes: int
    required_skill_level: int
    slot_count: int
    priority: int
    item_id: uuid.UUID
    payload: Mapping[str, Any] | None
    assigned_to: uuid.UUID | None
    assigned_at: AwareDatetime | None
    started_at: AwareDatetime | None
    lease_until: AwareDatetime | None
    fencing_token: int | None
    completed_by: uuid.UUID | None
    completed_at: AwareDatetime | None
    result: Mapping[str, Any] | None
    expires_at: AwareDatetime | None
    settled_at: AwareDatetime | None
    settled_label: str | None
    is_disputed: bool
    batch_id: uuid.UUID | None
    is_paused: bool
    decision: str | None
    outcome: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, view: MissionView) -> "MissionOut":
        """The view in the names existing clients know."""
        fields = {name: getattr(view, name) for name in cls.model_fields if hasattr(view, name)}
        result = None if view.answer is None else result_out(view.answer)
        return cls(**fields, result=result, is_disputed=view.state == "disputed")


class CompletionOut(WireModel):
    """What completing gave. `xpGained` is always 0: XP is paid when the mission is settled."""

    mission: MissionOut
    xp_gained: Literal[0] = 0
    coins_gained: Literal[0] = 0
    xp_pending: int
    coins_pending: int
    level_up: Literal[False] = False
    new_badges: list[str] = Field(default_factory=list)
    is_extra: bool
    undo_until: AwareDatetime

    @classmethod
    def of(cls, completed: CompletedMission) -> "CompletionOut":
        """The completion in the names existing clients know."""
        return cls(
            mission=MissionOut.of(completed.mission),
            xp_pending=completed.xp_pending,
            coins_pending=completed.coins_pending,
            is_extra=completed.is_extra,
            undo_until=completed.undo_until,
            new_badges=list(completed.new_badges),
        )
