"""What goes out: the event types, a message's body, and its Standard Webhooks headers and secrets."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from standardwebhooks.webhooks import Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105  # says what follows; no secret itself
#: Standard Webhooks asks for 24 to 64 random bytes.
SECRET_BYTES = 32


class EventType(StrEnum):
    """What an endpoint may subscribe to."""

    MISSION_SETTLED = "mission.settled"
    TASK_COMPLETED = "task.completed"
    LABEL_TOMBSTONED = "label.tombstoned"


#: A test event; every endpoint takes it, whatever it subscribed to.
PING = "ping"


def secret_text(random: bytes) -> str:
    """A signing secret as its holder gets it."""
    return SECRET_PREFIX + base64.b64encode(random).decode("ascii")


def message_id(event_id: uuid.UUID) -> str:
    """The message's id, the same at every attempt and endpoint: receivers tell repetitions by it."""
    return f"msg_{event_id.hex}"


def body_of(event_type: str, occurred_at: datetime, data: Mapping[str, Any]) -> str:
    """The body: type, time of the event, and its ids, labels and counts; the same text at every attempt."""
    at = occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    message = {"type": event_type, "timestamp": at, "data": dict(sorted(data.items()))}
    return json.dumps(message, separators=(",", ":"))


def signed_headers(secrets: Sequence[str], event_id: uuid.UUID, body: str, *, at: datetime) -> dict[str, str]:
    """Headers of one attempt: id, time of the attempt in Unix seconds, and one signature per secret."""
    name = message_id(event_id)
    moment = at.astimezone(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, moment, body) for secret in secrets),
    }
