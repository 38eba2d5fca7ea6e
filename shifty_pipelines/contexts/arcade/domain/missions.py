"""Missions and slots: their states, how long a lease lasts, and what one caller sees of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shifty_pipelines.kernel.tenant import UserId


class MissionType(StrEnum):
    """What a mission asks for."""

    LABEL_TEST_OUTPUT = "label_test_output"
    VALIDATE_SELECTOR = "validate_selector"
    RATE_TEST_QUALITY = "rate_test_quality"
    VERIFY_FIX = "verify_fix"
    CLASSIFY_ERROR = "classify_error"
    ANNOTATE_UI_ELEMENT = "annotate_ui_element"
    REVIEW_MODEL_OUTPUT = "review_model_output"
    APPROVE_DEPLOYMENT = "approve_deployment"


class Difficulty(StrEnum):
    """How hard its author thinks a mission is."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"


class MissionState(StrEnum):
    """Where a mission stands: `disputed` waits for an owner or admin, `decided` (a deployment) for its outcome."""

    OPEN = "open"
    DECIDED = "decided"
    DISPUTED = "disputed"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class SlotState(StrEnum):
    """Where one assignment stands. `undone` is a completion that its labeler took back."""

    LEASED = "leased"
    STARTED = "started"
    COMPLETED = "completed"
    RELEASED = "released"
    EXPIRED = "expired"
    UNDONE = "undone"


class ViewStatus(StrEnum):
    """A mission's status as one caller sees it; the names that existing clients know."""

    AVAILABLE = "available"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


#: Slots that a labeler holds at present, and those that count as used up.
LIVE = (SlotState.LEASED, SlotState.STARTED)
TAKEN = (*LIVE, SlotState.COMPLETED)

#: Missions one labeler may hold at once, so that nobody hoards.
MAX_LIVE = 5
MIN_SLOTS = 1
#: Four eyes: a deployment is decided by two people at least.
MIN_QUORUM = 2
DEFAULT_SLOTS = 3
#: With a 40/40/20 mix of good, average and random labelers, three votes settle 70 % of items and seven 96 %.
MAX_SLOTS = 7
#: A mission is settled when one label is at least this probable.
MIN_POSTERIOR = 0.9
#: How long a labeler may take an answer back.
UNDO_WINDOW = timedelta(seconds=10)

MIN_LEASE = timedelta(minutes=5)
MAX_LEASE = timedelta(hours=24)


def lease_duration(time_estimate_minutes: int) -> timedelta:
    """How long a claimed slot is kept: three times the estimate, at least 5 minutes, at most a day.

    Too short a lease gives a slot to two people, too long a one blocks it; three times the expected time is what
    annotation platforms settled on.
    """
    return min(max(3 * timedelta(minutes=time_estimate_minutes), MIN_LEASE), MAX_LEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMission:
    """A mission as its author wants it; what is left out gets its type's default."""

    type: MissionType
    title: str
    description: str = ""
    instructions: str = ""
    difficulty: Difficulty = Difficulty.BEGINNER
    xp_reward: int | None = None
    coin_reward: int = 0
    time_estimate_minutes: int = 5
    required_skill_level: int = 1
    expires_at: datetime | None = None
    slot_count: int = DEFAULT_SLOTS
    priority: int = 0
    batch_id: uuid.UUID | None = None
    #: Who reported the error it asks about, where known: they are not asked.
    reported_by: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a labeler says: one of the item's labels, how sure they are (0 to 1), the typed form, and free text."""

    label: str
    confidence: float | None = None
    notes: str | None = field(default=None, repr=False)
    #: What the form says beside its label, by wire name, e.g. a box; ids and numbers, no text.
    given: Mapping[str, Any] = field(default_factory=dict)
    #: Free texts of the form by wire name, e.g. a rationale; sealed like the notes.
    texts: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a mission is about."""

    id: uuid.UUID
    item_id: uuid.UUID
    type: MissionType


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionView:
    """A mission as one caller sees it: everything about answers is the caller's own, until it is settled."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    item_id: uuid.UUID
    type: MissionType
    difficulty: Difficulty
    status: ViewStatus
    state: MissionState
    title: str
    description: str
    instructions: str
    xp_reward: int
    coin_reward: int
    time_estimate_minutes: int
    required_skill_level: int
    slot_count: int
    priority: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    settled_label: str | None
    batch_id: uuid.UUID | None = None
    is_paused: bool = False
    #: approve_deployment: what its quorum decided, and what came of it.
    decision: str | None = None
    outcome: str | None = None
    #: Opened by `flows/read_mission.py` only; lists leave it closed.
    payload: Mapping[str, Any] | None = field(default=None, repr=False)
    assigned_to: UserId | None = None
    assigned_at: datetime | None = None
    started_at: datetime | None = None
    lease_until: datetime | None = None
    fencing_token: int | None = None
    completed_by: UserId | None = None
    completed_at: datetime | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedMission:
    """What completing a mission gave. XP is paid at settlement, never now: that would tell which answer is right."""

    mission: MissionView
    assignment_id: uuid.UUID
    #: False when the same answer had been given before; nothing was written then.
    is_new: bool
    #: Came after the slot had gone to somebody else: kept as a label, paid the least its type pays.
    is_extra: bool
    xp_pending: int
    coins_pending: int
    undo_until: datetime
    #: Earned with this answer; those that follow from its being right come with the settlement.
    new_badges: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneAnswer:
    """An answer that was taken back: the assignment that gave it, and the mission, now assigned anew."""

    assignment_id: uuid.UUID
    mission: MissionView


def view_status(mission: MissionState, slot: SlotState | None, *, has_open_slot: bool, is_overdue: bool) -> ViewStatus:
    """A mission's status for the caller whose own slot is `slot` (None without one)."""
    own = {
        SlotState.LEASED: ViewStatus.ASSIGNED,
        SlotState.STARTED: ViewStatus.IN_PROGRESS,
        SlotState.COMPLETED: ViewStatus.COMPLETED,
    }
    if slot in own:
        return own[slot]
    if mission is MissionState.OPEN:
        if is_overdue:
            return ViewStatus.EXPIRED
        # With every slot in other hands there is nothing for this caller to take; whose hands is not said.
        return ViewStatus.AVAILABLE if has_open_slot else ViewStatus.ASSIGNED
    return _STATUS_WHEN_CLOSED[mission]


_STATUS_WHEN_CLOSED: Mapping[MissionState, ViewStatus] = {
    MissionState.DECIDED: ViewStatus.COMPLETED,
    MissionState.DISPUTED: ViewStatus.COMPLETED,
    MissionState.SETTLED: ViewStatus.COMPLETED,
    MissionState.CANCELLED: ViewStatus.CANCELLED,
    MissionState.EXPIRED: ViewStatus.EXPIRED,
}
