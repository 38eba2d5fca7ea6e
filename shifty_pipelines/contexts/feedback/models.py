"""Tables of feedback."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.kernel.db import TenantRow


class ErrorEventRow(TenantRow):
    """One error as it arrived; its text is sealed under a key slot of its own."""

    __tablename__ = "error_events"

    source: Mapped[str]
    external_id: Mapped[str]
    error_type: Mapped[str]
    severity: Mapped[str]
    environment: Mapped[str]
    service: Mapped[str]
    key_slot: Mapped[int] = mapped_column(BigInteger)
    sealed: Mapped[bytes]
    message_hmac: Mapped[bytes]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    occurrence_count: Mapped[int]
    created_at: Mapped[datetime]
    #: The person whose session or key delivered it.
    reported_by: Mapped[uuid.UUID | None]
