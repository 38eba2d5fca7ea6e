"""Tables of curation: label sets, items, label events, labeler skills."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import Base, TenantRow


class LabelSet(TenantRow):
    """The labels that answers of one mission type are chosen from."""

    __tablename__ = "label_sets"

    mission_type: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    updated_at: Mapped[datetime]


class Item(TenantRow):
    """One thing to be labelled; its payload is a JSON object, sealed as text under a key slot of its own."""

    __tablename__ = "items"

    mission_type: Mapped[str]
    source: Mapped[str]
    external_id: Mapped[str | None]
    key_slot: Mapped[int] = mapped_column(BigInteger)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]


class LabelEvent(TenantRow):
    """Somebody's label of an item, or the tombstone of one; rows are only ever added."""

    __tablename__ = "label_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "item_id"], ["items.tenant_id", "items.id"]),
        ForeignKeyConstraint(["tenant_id", "tombstones"], ["label_events.tenant_id", "label_events.id"]),
    )

    item_id: Mapped[uuid.UUID]
    labeler_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    label: Mapped[str | None]
    source: Mapped[str]
    mission_id: Mapped[uuid.UUID | None]
    assignment_id: Mapped[uuid.UUID | None]
    tombstones: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]


class LabelerSkill(Base):
    """How often one labeler is right at one mission type, as last estimated."""

    __tablename__ = "labeler_skills"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    labeler_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str] = mapped_column(primary_key=True)
    accuracy: Mapped[float]
    algorithm: Mapped[str]
    updated_at: Mapped[datetime]
