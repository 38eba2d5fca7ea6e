"""What the game shows: profiles, entries of boards, the ledger, the shop, challenges, a tenant's figures."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from shifty_pipelines.contexts.arcade.domain.boards import Board, Window
from shifty_pipelines.contexts.arcade.domain.challenges import Challenge
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.shop import ShopItem
from shifty_pipelines.kernel.tenant import UserId


class Visibility(StrEnum):
    """How others see a labeler: by the name they chose, by a pseudonym that names nobody, or not at all."""

    NAMED = "named"
    PSEUDONYM = "pseudonym"
    HIDDEN = "hidden"


class CorrectionReason(StrEnum):
    """Why a payment is changed afterwards. Codes, not texts: reasons are shown to the labeler and kept for ever."""

    DISPUTE_UPHELD = "dispute_upheld"
    GOLD_RETIRED = "gold_retired"
    ADJUDICATION = "adjudication"
    SUSPENSION = "suspension"
    MISTAKE = "mistake"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What a labeler changes of their profile; None leaves it as it is. An empty cosmetic takes it off."""

    display_name: str | None = None
    zone: str | None = None
    visibility: Visibility | None = None
    cosmetic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A labeler's standing, summed from the ledger."""

    user_id: UserId
    tenant_id: uuid.UUID
    display_name: str
    xp: int
    xp_pending: int
    coins: int
    level: int
    xp_to_next_level: int
    streak_days: int
    longest_streak: int
    streak_freezes: int
    total_missions_completed: int
    total_xp_earned: int
    #: Share of settled answers that agreed with the settlement; None below 20 of them.
    accuracy: float | None
    expertise_areas: Sequence[MissionType]
    badges: Sequence[str]
    cosmetics: Sequence[str]
    cosmetic: str | None
    time_zone: str
    visibility: Visibility
    last_active_at: datetime
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEntry:
    """One line of a board. A pseudonym's line names no user and shows no badges: both would tell who it is."""

    rank: int
    user_id: UserId | None
    display_name: str
    level: int
    score: float
    badges: Sequence[str]
    cosmetic: str | None
    is_you: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """A board as one caller sees it: its top, and the caller's own neighbourhood (empty for who is not on it)."""

    board: Board
    window: Window
    as_of: datetime
    top: Sequence[BoardEntry]
    own_rank: int | None
    around: Sequence[BoardEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One movement, as its labeler sees it."""

    id: uuid.UUID
    kind: str
    xp: int
    coins: int
    xp_pending: int
    coins_pending: int
    mission_id: uuid.UUID | None
    reason: str | None
    cause_id: uuid.UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchased:
    """A purchase, and the coins that are left."""

    id: uuid.UUID
    item: ShopItem
    coins: int
    coins_left: int
    bought_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeView:
    """A day's challenge, and how far its labeler got. Answers count when they are settled, for the day of the work."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    on: date
    challenge: Challenge
    right_count: int
    is_paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcadeFigures:
    """A tenant's figures over a period, of which `period_end` is the first moment after."""

    tenant_id: uuid.UUID
    period_start: datetime
    period_end: datetime
    total_users: int
    active_users: int
    missions_completed: int
    missions_available: int
    samples_generated: int
    average_accuracy: float | None
    top_contributors: Sequence["Contributor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """Somebody with many right answers, as far as they let themselves be seen."""

    user_id: UserId | None
    display_name: str
    contributions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarView:
    """A tenant's calendar: where its days begin, which weekdays rest from today on, and whether it has boards."""

    zone: str
    rest_weekdays: Sequence[int]
    has_leaderboard: bool
