"""Events: small frozen facts in the past tense; they carry ids and counts, never data (tables carry data)."""

import dataclasses
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact that happened in one tenant. Subclasses name it and add ids, labels and counts as plain fields."""

    type: ClassVar[str]

    def payload(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {field.name: _to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


def _to_json(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredEvent:
    """An event as a reaction receives it: by name, with its id as the idempotency key."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    type: str
    occurred_at: datetime
    payload: dict[str, Any]

    def uuid_of(self, field: str) -> uuid.UUID:
        """The payload's field as a UUID."""
        return uuid.UUID(self.payload[field])
