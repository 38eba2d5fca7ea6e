"""Tables of the Arcade: missions, slots, ledger, profiles."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import TenantRow


class Profile(TenantRow):
    """A labeler; `id` is the user's. Standing is summed from the ledger, never stored here."""

    __tablename__ = "arcade_profiles"

    display_name: Mapped[str]
    #: The labeler's own key: erasing it erases every note they wrote.
    key_slot: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


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
    #: `{"label": ..., "confidence": ...}`; notes are sealed beside it.
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: The item's key slot; notes lie under the labeler's key first, then under this one.
    key_slot: Mapped[int | None] = mapped_column(BigInteger)
    sealed: Mapped[bytes | None]


class LedgerEntry(TenantRow):
    """One movement of XP and coins, never changed: between the pending account and the settled one, or away again."""

    __tablename__ = "xp_ledger"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "mission_id"], ["missions.tenant_id", "missions.id"]),
        ForeignKeyConstraint(["tenant_id", "assignment_id"], ["mission_slots.tenant_id", "mission_slots.id"]),
        ForeignKeyConstraint(["tenant_id", "labeler_id"], ["arcade_profiles.tenant_id", "arcade_profiles.id"]),
    )

    labeler_id: Mapped[uuid.UUID]
    mission_id: Mapped[uuid.UUID]
    assignment_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    xp: Mapped[int]
    coins: Mapped[int]
    xp_pending: Mapped[int]
    coins_pending: Mapped[int]
    created_at: Mapped[datetime]
