"""Tables of the Arcade: missions, slots, ledger, profiles."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Computed, FetchedValue, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.contexts.arcade.domain.missions import MissionState
from shifty_pipelines.kernel.db import Base, TenantRow


class Profile(TenantRow):
    """A labeler; `id` is the user's. Standing is summed from the ledger, never stored here."""

    __tablename__ = "arcade_profiles"

    display_name: Mapped[str]
    #: The labeler's own key: erasing it erases every note they wrote.
    key_slot: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    #: The IANA zone whose days their work counts in.
    zone: Mapped[str]
    zone_changed_at: Mapped[datetime | None]
    #: How others see them on boards: `named`, `pseudonym` or `hidden`.
    visibility: Mapped[str]
    #: Made anew each time it is chosen; says nothing about whose it is.
    pseudonym: Mapped[str | None]
    cosmetic: Mapped[str | None]


class Mission(TenantRow):
    """One question about one item, asked of `slot_count` labelers."""

    __tablename__ = "missions"

    item_id: Mapped[uuid.UUID]
    type: Mapped[str]
    difficulty: Mapped[str]
    state: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    instructions: Mapped[str]
    xp_reward: Mapped[int]
    coin_reward: Mapped[int]
    time_estimate_minutes: Mapped[int]
    required_skill_level: Mapped[int]
    priority: Mapped[int]
    slot_count: Mapped[int]
    open_slots: Mapped[int]
    #: The fencing token of the next assignment; only ever grows.
    next_token: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]
    updated_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_label: Mapped[str | None]
    #: What its labels leave open, 0 (certain) to 1; told by curation through the flows.
    uncertainty: Mapped[float] = mapped_column(default=1.0)
    #: Lower comes first: seconds since the epoch of its making, a day earlier for each whole uncertainty.
    queue_rank: Mapped[float] = mapped_column(FetchedValue())
    is_paused: Mapped[bool] = mapped_column(default=False)
    batch_id: Mapped[uuid.UUID | None]
    #: Who reported the error it asks about.
    reported_by: Mapped[uuid.UUID | None]
    #: approve_deployment only: what the quorum decided, and what came of it.
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    outcome: Mapped[str | None]

    def takes_answers(self) -> bool:
        """Whether there is a slot to be given away."""
        return self.state == MissionState.OPEN and self.open_slots > 0 and not self.is_paused


class Template(TenantRow):
    """A pattern of missions."""

    __tablename__ = "mission_templates"

    name: Mapped[str]
    type: Mapped[str]
    difficulty: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    instructions: Mapped[str]
    #: Labels of these missions alone; None where those of the type hold.
    labels: Mapped[list[str] | None] = mapped_column(ARRAY(TEXT))
    xp_reward: Mapped[int]
    coin_reward: Mapped[int]
    time_estimate_minutes: Mapped[int]
    required_skill_level: Mapped[int]
    slot_count: Mapped[int]
    priority: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]


class Batch(TenantRow):
    """Missions of one template that are paused, resumed and cancelled together."""

    __tablename__ = "mission_batches"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "template_id"], ["mission_templates.tenant_id", "mission_templates.id"]),
    )

    name: Mapped[str]
    template_id: Mapped[uuid.UUID]
    state: Mapped[str]
    mission_count: Mapped[int]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]
    updated_at: Mapped[datetime]


class Slot(TenantRow):
    """One assignment: a mission in the hands of one labeler. An assignment gives at most one label."""

    __tablename__ = "mission_slots"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "mission_id"], ["missions.tenant_id", "missions.id"]),
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    mission_id: Mapped[uuid.UUID]
    slot_number: Mapped[int]
    labeler_id: Mapped[uuid.UUID]
    state: Mapped[str]
    #: Completed after its slot had gone to somebody else.
    is_extra: Mapped[bool]
    fencing_token: Mapped[int] = mapped_column(BigInteger)
    lease_until: Mapped[datetime]
    claimed_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    #: `{"label": ..., "confidence": ..., "given": {...}}`; notes and other texts are sealed beside it.
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: The item's key slot; texts lie under the labeler's key first, then under this one.
    key_slot: Mapped[int | None] = mapped_column(BigInteger)
    sealed: Mapped[bytes | None]
    skip_reason: Mapped[str | None]
    skipped_at: Mapped[datetime | None]


class Draft(Base):
    """What a labeler has written so far; of a mission, not of an assignment, so that it outlives the lease."""

    __tablename__ = "mission_drafts"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    labeler_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    #: The item's key slot; the draft lies under the labeler's key first, then under this one.
    key_slot: Mapped[int] = mapped_column(BigInteger)
    sealed: Mapped[bytes]
    saved_at: Mapped[datetime]


class TypeTime(Base):
    """How long answers to missions of a type take, from start (or claim) to answer."""

    __tablename__ = "mission_type_times"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    p90_s: Mapped[float]
    answer_count: Mapped[int]
    measured_at: Mapped[datetime]


class LedgerEntry(TenantRow):
    """One movement of XP and coins, never changed: between the pending account and the settled one, or away again."""

    __tablename__ = "xp_ledger"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "mission_id"], ["missions.tenant_id", "missions.id"]),
        ForeignKeyConstraint(["tenant_id", "assignment_id"], ["mission_slots.tenant_id", "mission_slots.id"]),
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    labeler_id: Mapped[uuid.UUID]
    mission_id: Mapped[uuid.UUID | None]
    assignment_id: Mapped[uuid.UUID | None]
    #: `pending`, `settled`, `reversal` (of a promise), `correction` (of a payment), `bonus`, `purchase`.
    kind: Mapped[str]
    xp: Mapped[int]
    coins: Mapped[int]
    xp_pending: Mapped[int]
    coins_pending: Mapped[int]
    created_at: Mapped[datetime]
    #: How the counts of settled and of right answers move.
    settled_count: Mapped[int] = mapped_column(default=0)
    right_count: Mapped[int] = mapped_column(default=0)
    #: The day, by the tenant's calendar, on whose boards it counts: a correction counts on those of what it corrects.
    scored_on: Mapped[date | None]
    #: Why, and by what: a correction, bonus or purchase is booked once per labeler, assignment and cause.
    reason: Mapped[str | None]
    cause_id: Mapped[uuid.UUID | None]


class Work(TenantRow):
    """One answer's moment on the labeler's own clock, frozen; never changed. `id` is the assignment's."""

    __tablename__ = "labeler_work"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
        ForeignKeyConstraint(["tenant_id", "id"], ["mission_slots.tenant_id", "mission_slots.id"]),
    )

    labeler_id: Mapped[uuid.UUID]
    occurred_at: Mapped[datetime]
    local_date: Mapped[date]
    zone: Mapped[str]
    offset_s: Mapped[int]


class Streak(TenantRow):
    """How far the fold over a labeler's work and freezes has got; `id` is the labeler's. A cache of those events."""

    __tablename__ = "labeler_streaks"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),)

    #: The fields of `domain.streaks.StreakState`.
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: When the streak is over unless more is done; None without one.
    ends_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class Score(Base):
    """What one labeler has on one board in one window. Only people who are on boards have rows."""

    __tablename__ = "leaderboard_scores"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    board: Mapped[str] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    labeler_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    score: Mapped[float]
    #: On the accuracy board: what the score is made of.
    settled_count: Mapped[int]
    right_count: Mapped[int]
    reached_at: Mapped[datetime]
    #: Minus the score, so that a rank's order is ascending in all three columns and one index range.
    behind: Mapped[float] = mapped_column(Computed("-score"))


class AwardedBadge(Base):
    """A badge that a labeler has, and since when."""

    __tablename__ = "labeler_badges"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    labeler_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    badge: Mapped[str] = mapped_column(primary_key=True)
    awarded_at: Mapped[datetime]


class Purchase(TenantRow):
    """An item that was bought, at which price, at which moment on the labeler's own clock."""

    __tablename__ = "shop_purchases"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    labeler_id: Mapped[uuid.UUID]
    item: Mapped[str]
    coins: Mapped[int]
    occurred_at: Mapped[datetime]
    local_date: Mapped[date]
    zone: Mapped[str]
    offset_s: Mapped[int]


class GameSettings(Base):
    """A tenant's calendar, and whether it has leaderboards."""

    __tablename__ = "arcade_settings"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    zone: Mapped[str]
    #: `[{"fromOn": "2026-03-02", "weekdays": [6, 7]}, ...]`, oldest first; only ever added to.
    rest_days: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    has_leaderboard: Mapped[bool]
    updated_at: Mapped[datetime]
