"""Tables of curation: items and their labels, the decisions about them by item id, and datasets made of those."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKeyConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
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
    #: The labels of this item alone; None where those of its mission type hold.
    labels: Mapped[list[str] | None] = mapped_column(ARRAY(TEXT))


class GoldItem(Base):
    """An item whose truth is known, by which labelers are measured; nobody who answers it may read this."""

    __tablename__ = "gold_items"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str]
    label: Mapped[str]
    source: Mapped[str]
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
    algorithm_version: Mapped[int]
    label_count: Mapped[int]
    labels: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    confusion: Mapped[list[float]] = mapped_column(ARRAY(Double))


class ConsensusLabel(Base):
    """What an item is, how probable that is, and the label events that were counted; one row per labelled item."""

    __tablename__ = "consensus_labels"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str]
    label: Mapped[str]
    posterior: Mapped[float]
    label_count: Mapped[int]
    basis: Mapped[str]
    algorithm: Mapped[str]
    algorithm_version: Mapped[int]
    decided_at: Mapped[datetime]
    label_event_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))


class ConsensusReading(Base):
    """How many label events of a mission type there were, tombstones included, when its last consensus read them."""

    __tablename__ = "consensus_readings"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str] = mapped_column(primary_key=True)
    label_event_count: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime]


class ItemScrub(Base):
    """Where an item's training text must be blanked; `spans` are [start, end, kind] of the text of `text_version`."""

    __tablename__ = "item_scrubs"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str]
    text_version: Mapped[int]
    outcome: Mapped[str]
    spans: Mapped[list[list[Any]]] = mapped_column(JSONB)
    char_count: Mapped[int]
    text_hmac: Mapped[bytes | None]
    scrubbed_at: Mapped[datetime]


class ItemGroup(Base):
    """Which items say the same, or nearly so, and which of equals stands for them."""

    __tablename__ = "item_groups"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str]
    group_id: Mapped[uuid.UUID]
    outcome: Mapped[str]
    duplicate_of: Mapped[uuid.UUID | None]
    grouped_at: Mapped[datetime]


class ItemSplit(Base):
    """Where an item serves, for ever, unless a bridge takes it out (domain/splits.py)."""

    __tablename__ = "item_splits"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str]
    split: Mapped[str]
    placed_at: Mapped[datetime]
    moved_at: Mapped[datetime | None]


class ExpectationVerdict(Base):
    """How the rows of one mission type last stood against one expectation."""

    __tablename__ = "expectation_verdicts"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    mission_type: Mapped[str] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    expectation: Mapped[str] = mapped_column(primary_key=True)
    passed: Mapped[bool]
    is_blocking: Mapped[bool]
    row_count: Mapped[int]
    failing_count: Mapped[int]
    failing_items: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    checked_at: Mapped[datetime]


class Dataset(TenantRow):
    """A named recipe over one mission type."""

    __tablename__ = "datasets"

    mission_type: Mapped[str]
    name: Mapped[str]
    description: Mapped[str]
    min_posterior: Mapped[float]
    train_after_new_labels: Mapped[int | None]
    labels_at_last_training: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]


class DatasetVersion(TenantRow):
    """The rows a recipe gave at one moment, immutable, named by content; `label_count`: events its consensus saw."""

    __tablename__ = "dataset_versions"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "dataset_id"], ["datasets.tenant_id", "datasets.id"]),)

    dataset_id: Mapped[uuid.UUID]
    version: Mapped[str]
    status: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    row_count: Mapped[int]
    label_count: Mapped[int] = mapped_column(BigInteger)
    data_asset_id: Mapped[uuid.UUID]
    key_slot: Mapped[int] = mapped_column(BigInteger)
    card: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]


class DatasetRow(Base):
    """One row of a version: its item, and the label events that made its label."""

    __tablename__ = "dataset_rows"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    dataset_version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    split: Mapped[str]
    posterior: Mapped[float]
    label_event_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
