"""Words and rules of feedback: what a reported error is, which parts of it are sealed, and how much of it is taken.

Pure. Ids, enums, error types, services and environments stand in the clear; message, stack trace, endpoint, user id and
metadata are text from outside and are kept only as `ErrorText.as_json`, sealed.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from shifty_pipelines.contexts.feedback.errors import InvalidLabel, InvalidMetadata, TextTooLong
from shifty_pipelines.kernel.errors import InvalidValue


class ErrorSource(StrEnum):
    """Who reports an error."""

    SENTRY = "sentry"
    DATADOG = "datadog"
    NEW_RELIC = "new_relic"
    APPLICATION_LOGS = "application_logs"
    CUSTOM_WEBHOOK = "custom_webhook"


class Severity(StrEnum):
    """How bad an error is, as its source says."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


#: Bytes of UTF-8 taken of each text, by its name on the wire. The request as a whole is bounded to 1 MiB before that.
MAX_TEXT_BYTES: Mapping[str, int] = {
    "message": 64 * 1024,
    "stackTrace": 512 * 1024,
    "endpoint": 8 * 1024,
    "userId": 1024,
    "metadata": 64 * 1024,  # as compact JSON
}
#: Characters of each short text that stands in the clear. External ids are indexed: 255 x 4 bytes fit an index entry.
MAX_LABEL_CHARS: Mapping[str, int] = {"externalId": 255, "errorType": 255, "environment": 100, "service": 255}
#: An answer is written by pydantic, which gives up at 255 levels; no monitoring tool nests this deep.
MAX_METADATA_DEPTH = 32
#: PostgreSQL's integer.
MAX_OCCURRENCES = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """The free text of an error: sealed at rest, and never shown by `repr`."""

    message: str = field(repr=False)
    stack_trace: str | None = field(default=None, repr=False)
    endpoint: str | None = field(default=None, repr=False)
    user_id: str | None = field(default=None, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def as_json(self, error_type: str) -> str:
        """What is sealed: one compact JSON object; `from_json` gives back an equal text.

        The type stands in it too, so that whoever is handed the sealed text has the whole error.
        """
        return _compact_json(
            {
                "errorType": error_type,
                "message": self.message,
                "stackTrace": self.stack_trace,
                "endpoint": self.endpoint,
                "userId": self.user_id,
                "metadata": self.metadata,
            }
        )

    @classmethod
    def from_json(cls, sealed: str) -> "ErrorText":
        """The text that `as_json` wrote."""
        parts = json.loads(sealed)
        return cls(
            message=parts["message"],
            stack_trace=parts["stackTrace"],
            endpoint=parts["endpoint"],
            user_id=parts["userId"],
            metadata=parts["metadata"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """One error as its source reports it; what exists is within the limits.

    Raises:
        InvalidLabel: a short text is empty, too long, or cannot be stored.
        TextTooLong: a text exceeds `MAX_TEXT_BYTES`.
        InvalidMetadata: not JSON, or nested too deeply.
        InvalidValue: the count is out of range.
    """

    source: ErrorSource
    external_id: str
    error_type: str
    severity: Severity
    environment: str
    service: str
    text: ErrorText
    occurrence_count: int = 1

    def __post_init__(self) -> None:
        _check_label("externalId", self.external_id)
        _check_label("errorType", self.error_type)
        _check_label("environment", self.environment)
        _check_label("service", self.service)
        _check_text("message", self.text.message)
        _check_text("stackTrace", self.text.stack_trace)
        _check_text("endpoint", self.text.endpoint)
        _check_text("userId", self.text.user_id)
        _check_metadata(self.text.metadata)
        if not 1 <= self.occurrence_count <= MAX_OCCURRENCES:
            raise InvalidValue("occurrenceCount", self.occurrence_count, f"a number from 1 to {MAX_OCCURRENCES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedError:
    """Which event a report became; not new when the same source had sent the same external id before."""

    id: uuid.UUID
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """An error event without its text."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    source: ErrorSource
    external_id: str
    error_type: str
    severity: Severity
    environment: str
    service: str
    first_seen: datetime
    last_seen: datetime
    occurrence_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """An error event with its text opened."""

    summary: ErrorSummary
    text: ErrorText


def _check_label(name: str, value: str) -> None:
    max_chars = MAX_LABEL_CHARS[name]
    if not 1 <= len(value) <= max_chars or "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidLabel(name, value, max_chars=max_chars)


def _check_text(name: str, value: str | None) -> None:
    size_bytes = len(value.encode("utf-8", "surrogatepass")) if value is not None else 0
    if size_bytes > MAX_TEXT_BYTES[name]:
        raise TextTooLong(name, size_bytes=size_bytes, max_bytes=MAX_TEXT_BYTES[name])


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if _is_deeper(metadata, MAX_METADATA_DEPTH):
        raise InvalidMetadata(max_depth=MAX_METADATA_DEPTH)
    try:
        written = _compact_json(metadata)
    except (ValueError, TypeError):
        # Not chained: the cause carries the offending value.
        raise InvalidMetadata(max_depth=MAX_METADATA_DEPTH) from None
    _check_text("metadata", written)


def _is_deeper(value: object, max_depth: int) -> bool:
    """Whether containers are nested beyond `max_depth` levels; goes level by level, without recursion."""
    level: list[object] = [value]
    for _ in range(max_depth):
        level = [child for container in level for child in _children(container) if _is_container(child)]
        if not level:
            return False
    return True


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _children(container: object) -> Iterable[object]:
    return container.values() if isinstance(container, Mapping) else cast("Iterable[object]", container)


def _compact_json(value: object) -> str:
    # Not ASCII-escaped: two lone surrogates in a row would come back as one character.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
