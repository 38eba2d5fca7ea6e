"""Tables of integrations."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import TEXT, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import TenantRow


class WebhookEndpoint(TenantRow):
    """Where a tenant wants events sent. URL and secrets are sealed: URLs often hold a token of the receiver's."""

    __tablename__ = "webhook_endpoints"

    key_slot: Mapped[int]
    url_sealed: Mapped[bytes]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    is_enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    #: When the first of the failures came that no success has followed.
    failing_since: Mapped[datetime | None]
    secret_sealed: Mapped[bytes]
    #: The secret before, which still signs beside the present one until then.
    previous_sealed: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]
    deleted_at: Mapped[datetime | None]


class WebhookDelivery(TenantRow):
    """One event on its way to one endpoint; `data` holds ids, labels and counts, and nothing of an answer is kept."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "endpoint_id"], ["webhook_endpoints.tenant_id", "webhook_endpoints.id"]),
    )

    endpoint_id: Mapped[uuid.UUID]
    event_id: Mapped[uuid.UUID]
    event_type: Mapped[str]
    occurred_at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str]
    attempts: Mapped[int]
    #: Of the last attempt that ended.
    response_code: Mapped[int | None]
    failure: Mapped[str | None]
    duration_ms: Mapped[int | None]
    next_attempt_at: Mapped[datetime | None]
    #: Set while an attempt is under way: nobody else begins one before.
    sending_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
