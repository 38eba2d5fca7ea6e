"""Tables of lifecycle."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import TenantRow


class DataAsset(TenantRow):
    """One entry of the register: what is stored, where, how classified, under which key slot."""

    __tablename__ = "data_assets"

    type: Mapped[str]
    name: Mapped[str]
    classification: Mapped[str]
    status: Mapped[str]
    #: The object's name in the asset store; without a key slot, an address outside it.
    storage_location: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    #: SHA-256 of the plaintext, in hex.
    checksum: Mapped[str]
    key_slot: Mapped[int | None] = mapped_column(BigInteger)
    retention_policy_id: Mapped[uuid.UUID | None]
    expires_at: Mapped[datetime | None]
    asset_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    tags: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    created_by: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
