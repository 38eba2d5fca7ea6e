"""Bodies of the game on the wire."""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints, field_validator

from shifty_pipelines.contexts.arcade.domain.badges import Badge
from shifty_pipelines.contexts.arcade.domain.boards import Board, Measure
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.profiles import (
    BoardEntry,
    BoardView,
    ChallengeView,
    CorrectionReason,
    ProfileChange,
    ProfileView,
    Purchased,
    Visibility,
)
from shifty_pipelines.contexts.arcade.domain.shop import ShopItem
from shifty_pipelines.kernel.wire import RequestBody, WireModel

DisplayName = Annotated[
    str, StringConstraints(min_length=1, max_length=50, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Name = Annotated[str, StringConstraints(max_length=50, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ProfileBody(RequestBody):
    """What to change of a profile; what is left out stays."""

    display_name: DisplayName | None = None
    time_zone: Name | None = None
    visibility: Visibility | None = None
    #: An item that was bought, to be seen with; empty for none.
    cosmetic: Name | None = None

    def change(self) -> ProfileChange:
        """The change in the Arcade's words."""
        return ProfileChange(
            display_name=self.display_name,
            zone=self.time_zone,
            visibility=self.visibility,
            cosmetic=self.cosmetic,
        )


class CorrectionBody(RequestBody):
    """Whose payment is changed, how, and why; the same cause books once."""

    user_id: uuid.UUID
    is_right: bool
    reason: CorrectionReason
    cause_id: uuid.UUID


class PurchaseBody(RequestBody):
    """What to buy."""

    item_id: Name


class CalendarBody(RequestBody):
    """A tenant's calendar; what is left out stays."""

    time_zone: Name | None = None
    #: ISO weekdays, 1 is Monday. On at least one day of the week people work.
    rest_weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=6)] | None = None
    has_leaderboard: bool | None = None


class ProfileOut(WireModel):
    """A labeler's standing."""

    user_id: uuid.UUID
    tenant_id: uuid.UUID
    display_name: str
    avatar_url: None = None
    level: int
    xp: int
    xp_pending: int
    xp_to_next_level: int
    coins: int
    streak_days: int
    longest_streak: int
    streak_freezes: int
    total_missions_completed: int
    total_xp_earned: int
    accuracy: float | None
    expertise_areas: list[MissionType]
    badges: list[str]
    cosmetics: list[str]
    cosmetic: str | None
    time_zone: str
    visibility: Visibility
    last_active_at: AwareDatetime
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, profile: ProfileView) -> "ProfileOut":
        """The profile in the names existing clients know."""
        return cls.model_validate(profile)

    @field_validator("expertise_areas", "badges", "cosmetics", mode="before")
    @classmethod
    def _as_list(cls, value: Sequence[Any]) -> list[Any]:
        return list(value)


class LedgerLineOut(WireModel):
    """One movement of XP and coins."""

    id: uuid.UUID
    kind: str
    xp: int
    coins: int
    xp_pending: int
    coins_pending: int
    mission_id: uuid.UUID | None
    reason: str | None
    cause_id: uuid.UUID | None
    created_at: AwareDatetime


class EntryOut(WireModel):
    """One line of a board; `userId` is null where a labeler shows a pseudonym."""

    rank: int
    user_id: uuid.UUID | None
    display_name: str
    avatar_url: None = None
    level: int
    score: float | int
    badges: list[str]
    cosmetic: str | None
    is_you: bool

    @classmethod
    def of(cls, entry: BoardEntry, board: Board) -> "EntryOut":
        """The line; only shares have digits after the point."""
        fields = {name: getattr(entry, name) for name in cls.model_fields if hasattr(entry, name)}
        score = round(entry.score, 4) if board.measure is Measure.ACCURACY else int(entry.score)
        return cls(**{**fields, "score": score, "badges": list(entry.badges)})


class BoardPage(WireModel):
    """The top of a board as `data`; beside it the caller's rank and neighbours, and how fresh all of it is."""

    success: bool = True
    data: list[EntryOut]
    next_cursor: None = None
    type: Board
    #: The board's days; `endsOn` is the first day after, null for one that never ends.
    starts_on: date
    ends_on: date | None
    as_of: AwareDatetime
    own_rank: int | None
    around: list[EntryOut]

    @classmethod
    def of(cls, view: BoardView) -> "BoardPage":
        """The board on the wire."""
        return cls(
            data=[EntryOut.of(entry, view.board) for entry in view.top],
            type=view.board,
            starts_on=view.window.starts_on,
            ends_on=view.window.ends_on,
            as_of=view.as_of,
            own_rank=view.own_rank,
            around=[EntryOut.of(entry, view.board) for entry in view.around],
        )


class BadgeOut(WireModel):
    """One badge that can be earned."""

    id: str
    name: str
    description: str
    category: str
    rarity: str
    criteria: dict[str, str | float]

    @classmethod
    def of(cls, badge: Badge) -> "BadgeOut":
        """The badge in the names existing clients know."""
        return cls(
            id=badge.id,
            name=badge.name,
            description=badge.description,
            category="milestone" if badge.threshold > 1 else "achievement",
            rarity=badge.rarity,
            criteria={"type": badge.criterion, "threshold": badge.threshold},
        )


class ShopItemOut(WireModel):
    """One item of the shop; nothing costs money."""

    id: str
    name: str
    description: str
    type: str
    coin_cost: int
    most_held: int
    available: bool = True

    @classmethod
    def of(cls, item: ShopItem) -> "ShopItemOut":
        """The item in the names existing clients know."""
        return cls(
            id=item.id,
            name=item.name,
            description=item.description,
            type=item.kind,
            coin_cost=item.coins,
            most_held=item.most_held,
        )


class PurchaseOut(WireModel):
    """A purchase, and the coins that are left."""

    id: uuid.UUID
    item: ShopItemOut
    coins: int
    coins_left: int
    bought_at: AwareDatetime

    @classmethod
    def of(cls, purchased: Purchased) -> "PurchaseOut":
        """The purchase on the wire."""
        return cls(
            id=purchased.id,
            item=ShopItemOut.of(purchased.item),
            coins=purchased.coins,
            coins_left=purchased.coins_left,
            bought_at=purchased.bought_at,
        )


class BonusOut(WireModel):
    """What a challenge pays on top."""

    xp: int
    coins: int


class ChallengeOut(WireModel):
    """A day's challenge. Answers count when they are settled, for the day on which they were given."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    date: date
    name: str
    title: str
    right_answers: int
    right_answers_wanted: int
    is_completed: bool
    completion_bonus: BonusOut

    @classmethod
    def of(cls, view: ChallengeView) -> "ChallengeOut":
        """The challenge on the wire."""
        return cls(
            id=view.id,
            tenant_id=view.tenant_id,
            date=view.on,
            name=view.challenge.name,
            title=view.challenge.title,
            right_answers=view.right_count,
            right_answers_wanted=view.challenge.right_count,
            is_completed=view.is_paid,
            completion_bonus=BonusOut(xp=view.challenge.bonus.xp, coins=view.challenge.bonus.coins),
        )


class CalendarOut(WireModel):
    """A tenant's calendar."""

    time_zone: str = Field(validation_alias="zone")
    rest_weekdays: list[int]
    has_leaderboard: bool


class ContributorOut(WireModel):
    """Somebody with many right answers; `userId` is null where they show a pseudonym."""

    user_id: uuid.UUID | None
    display_name: str
    contributions: int


class FiguresOut(WireModel):
    """A tenant's figures; `periodEnd` is the first moment after the period."""

    tenant_id: uuid.UUID
    period_start: AwareDatetime
    period_end: AwareDatetime
    total_users: int
    active_users: int
    missions_completed: int
    missions_available: int
    samples_generated: int
    average_accuracy: float | None
    top_contributors: list[ContributorOut]
