"""Tables of training."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import TenantRow

_Json = JSONB(none_as_null=True)


class TrainingJob(TenantRow):
    """One requested training; `fencing_token` rises with every attempt, and reports with an older one are refused."""

    __tablename__ = "training_jobs"

    base_model_id: Mapped[uuid.UUID]
    dataset_id: Mapped[uuid.UUID]
    dataset_version_id: Mapped[uuid.UUID]
    config: Mapped[dict[str, Any]] = mapped_column(_Json)
    #: What the trainer made of the config, once it said so.
    recipe: Mapped[dict[str, Any]] = mapped_column(_Json)
    kind: Mapped[str]
    status: Mapped[str]
    attempt: Mapped[int]
    fencing_token: Mapped[int] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None]
    worker: Mapped[dict[str, Any] | None] = mapped_column(_Json)
    trainer: Mapped[dict[str, Any] | None] = mapped_column(_Json)
    progress: Mapped[dict[str, Any] | None] = mapped_column(_Json)
    logs: Mapped[list[Any]] = mapped_column(_Json)
    output_model_id: Mapped[uuid.UUID | None]
    output_version: Mapped[int | None]
    refusal: Mapped[dict[str, Any] | None] = mapped_column(_Json)
    requested_by: Mapped[uuid.UUID | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TrainingCheckpoint(TenantRow):
    """A verified checkpoint in the asset store."""

    __tablename__ = "training_checkpoints"

    job_id: Mapped[uuid.UUID]
    attempt: Mapped[int]
    step: Mapped[int]
    data_asset_id: Mapped[uuid.UUID]
    key_slot: Mapped[int] = mapped_column(BigInteger)
    manifest_sha256: Mapped[str]
    created_at: Mapped[datetime]
