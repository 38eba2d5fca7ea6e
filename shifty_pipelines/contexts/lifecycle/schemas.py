"""Bodies of lifecycle on the wire."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import Field

from shifty_pipelines.contexts.lifecycle.domain import AssetStatus, AssetType, Classification
from shifty_pipelines.kernel.wire import WireModel


class DataAssetBody(WireModel):
    """An entry of the register; its key slot is nobody's business outside."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    type: AssetType
    name: str
    classification: Classification
    status: AssetStatus
    storage_location: str
    size_bytes: int
    checksum: str
    retention_policy_id: uuid.UUID | None
    expires_at: datetime | None
    metadata: dict[str, Any] = Field(validation_alias="asset_metadata")
    tags: list[str]
    created_by: uuid.UUID | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
