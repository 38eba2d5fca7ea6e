"""Bodies of feedback on the wire. Lengths are checked by the report itself, which never repeats a text in a refusal."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from shifty_pipelines.contexts.feedback.domain import (
    MAX_OCCURRENCES,
    ErrorEvent,
    ErrorReport,
    ErrorSource,
    ErrorText,
    Severity,
)
from shifty_pipelines.kernel.wire import RequestBody, WireModel


class ReportedError(RequestBody):
    """One error as a source sends it."""

    any_text: ClassVar[frozenset[str]] = frozenset({"message", "stack_trace", "endpoint", "user_id", "metadata"})

    #: Accepted where it is the caller's own.
    tenant_id: uuid.UUID | None = None
    source: ErrorSource
    external_id: str
    error_type: str
    message: str
    stack_trace: str | None = None
    severity: Severity
    environment: str
    service: str
    endpoint: str | None = None
    user_id: str | None = None
    metadata: dict[str, Any] | None = None
    occurrence_count: Annotated[int, Field(ge=1, le=MAX_OCCURRENCES)] = 1

    def to_report(self) -> ErrorReport:
        """The report.

        Raises:
            InvalidValue: a field is too long, or cannot be stored.
        """
        return ErrorReport(
            source=self.source,
            external_id=self.external_id,
            error_type=self.error_type,
            severity=self.severity,
            environment=self.environment,
            service=self.service,
            text=ErrorText(
                message=self.message,
                stack_trace=self.stack_trace,
                endpoint=self.endpoint,
                user_id=self.user_id,
                metadata=self.metadata or {},
            ),
            occurrence_count=self.occurrence_count,
        )


class ErrorSummaryBody(WireModel):
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


class ErrorEventBody(ErrorSummaryBody):
    """An error event with its text."""

    message: str
    stack_trace: str | None
    endpoint: str | None
    user_id: str | None
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, event: ErrorEvent) -> "ErrorEventBody":
        """An opened event's body."""
        summary = ErrorSummaryBody.model_validate(event.summary)
        text = event.text
        return cls(
            **summary.model_dump(),
            message=text.message,
            stack_trace=text.stack_trace,
            endpoint=text.endpoint,
            user_id=text.user_id,
            metadata=text.metadata,
        )
