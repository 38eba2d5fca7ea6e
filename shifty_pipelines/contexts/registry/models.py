"""Tables of the registry."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import Base, TenantRow


class Model(TenantRow):
    """A base model, or the line of versions trained on one for one mission type."""

    __tablename__ = "models"

    name: Mapped[str]
    source: Mapped[str]
    source_id: Mapped[str]
    status: Mapped[str]
    version: Mapped[str]
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: Both null for a base model, both set for a line.
    mission_type: Mapped[str | None]
    base_model_id: Mapped[uuid.UUID | None]
    is_default_base: Mapped[bool]
    latest_version: Mapped[int]
    model_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    created_by: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ModelVersion(TenantRow):
    """One trained version: where its files lie, what it was trained on, by which job."""

    __tablename__ = "model_versions"

    model_id: Mapped[uuid.UUID]
    version: Mapped[int]
    kind: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    data_asset_id: Mapped[uuid.UUID]
    key_slot: Mapped[int] = mapped_column(BigInteger)
    manifest_sha256: Mapped[str]
    dataset_id: Mapped[uuid.UUID]
    dataset_version_id: Mapped[uuid.UUID]
    training_job_id: Mapped[uuid.UUID]
    metrics: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str]
    created_at: Mapped[datetime]


class ModelEvaluation(TenantRow):
    """One measurement of a version; `metrics` are ours, `claimed_metrics` the caller's, which no gate reads."""

    __tablename__ = "model_evaluations"

    model_id: Mapped[uuid.UUID]
    version: Mapped[int]
    type: Mapped[str]
    status: Mapped[str]
    metrics: Mapped[dict[str, Any]] = mapped_column(JSONB)
    claimed_metrics: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    verdict: Mapped[str | None]
    incumbent_version: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_by: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class ModelAlias(Base):
    """Where an alias points now."""

    __tablename__ = "model_aliases"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    model_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    updated_at: Mapped[datetime]


class ModelAliasEvent(TenantRow):
    """One move of an alias; append-only."""

    __tablename__ = "model_alias_events"

    model_id: Mapped[uuid.UUID]
    alias: Mapped[str]
    number: Mapped[int]
    action: Mapped[str]
    from_version: Mapped[int | None]
    to_version: Mapped[int]
    actor_id: Mapped[uuid.UUID | None]
    reason: Mapped[str | None]
    at: Mapped[datetime]


class Deployment(TenantRow):
    """A model that answers on an instance; it answers with whatever version is promoted."""

    __tablename__ = "deployments"

    model_id: Mapped[uuid.UUID]
    version: Mapped[int]
    target: Mapped[str]
    status: Mapped[str]
    created_by: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
