"""Use cases of feedback: recording errors as they arrive, and reading them."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from shifty_pipelines.contexts.feedback.domain import (
    ErrorEvent,
    ErrorReport,
    ErrorSource,
    ErrorSummary,
    ErrorText,
    RecordedError,
    Severity,
)
from shifty_pipelines.contexts.feedback.events import ErrorRecorded
from shifty_pipelines.contexts.feedback.models import ErrorEventRow
from shifty_pipelines.contexts.feedback.repository import FeedbackRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.sealed import SealedText, open_sealed, seal
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.kernel.work import UnitOfWork

#: What the HMAC of a message is for: finding equal messages within a tenant without opening them.
MESSAGE_PURPOSE = "feedback message"


class FeedbackService:
    """Error events of the unit of work's tenant."""

    def __init__(self, work: UnitOfWork, keys: KeySlots, pseudonyms: TenantHmac) -> None:
        self.work = work
        self.keys = keys
        self.pseudonyms = pseudonyms
        self.repository = FeedbackRepository(work.scope)

    def record(self, report: ErrorReport) -> RecordedError:
        """Keep one reported error; the same source and external id is the same event, however often it is delivered.

        The first report stands. A later one may only raise the count, as sources that aggregate do; its last time is
        then now. A delivery that says nothing new changes nothing.
        """
        known_id = self.repository.id_of(report.source, report.external_id)
        if known_id is None:
            new_id = self.work.ids.new()
            if self._add(new_id, report):
                self._announce(new_id, report)
                return RecordedError(id=new_id, is_new=True)
            known_id = self.repository.id_of(report.source, report.external_id)
        if known_id is None:
            raise RuntimeError("an error event that kept this one from being inserted cannot be read; rows never go")
        if self.repository.raise_count(known_id, report.occurrence_count, at=self.work.clock.now()):
            self.work.audit.record("error.recounted", "error_event", known_id, count=report.occurrence_count)
        return RecordedError(id=known_id, is_new=False)

    def get(self, error_id: uuid.UUID) -> ErrorEvent:
        """An event with its text opened.

        Raises:
            NotFound: none by that id in this tenant.
            KeyErased: its text was erased.
        """
        row = self.repository.event(error_id)
        if row is None:
            raise NotFound("Error event")
        opened = open_sealed(self.keys, self.work.tenant_id, SealedText(row.key_slot, row.sealed))
        return ErrorEvent(summary=_summary(row), text=ErrorText.from_json(opened))

    def sealed_text(self, error_id: uuid.UUID) -> SealedText:
        """An event's text as it lies sealed, for a context that keeps it under the same slot: erased once, gone twice.

        Raises:
            NotFound: none by that id in this tenant.
        """
        row = self.repository.event(error_id)
        if row is None:
            raise NotFound("Error event")
        return SealedText(row.key_slot, row.sealed)

    def reporter(self, error_id: uuid.UUID) -> UserId | None:
        """Who delivered an event, where a person did.

        Raises:
            NotFound: none by that id in this tenant.
        """
        row = self.repository.event(error_id)
        if row is None:
            raise NotFound("Error event")
        return None if row.reported_by is None else UserId(row.reported_by)

    def list(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[ErrorSummary]:
        """Events, newest first; the next page starts after the last one's `(created_at, id)`. No text is opened."""
        return [_summary(row) for row in self.repository.events(after=after, limit=limit)]

    def _add(self, new_id: uuid.UUID, report: ErrorReport) -> bool:
        sealed = seal(self.keys, self.work.tenant_id, report.text.as_json(report.error_type))
        now = self.work.clock.now()
        return self.repository.add_once(
            id=new_id,
            source=report.source.value,
            external_id=report.external_id,
            error_type=report.error_type,
            severity=report.severity.value,
            environment=report.environment,
            service=report.service,
            key_slot=sealed.slot,
            sealed=sealed.ciphertext,
            message_hmac=self.pseudonyms.digest(self.work.tenant_id, MESSAGE_PURPOSE, report.text.message),
            first_seen=now,
            last_seen=now,
            occurrence_count=report.occurrence_count,
            created_at=now,
            reported_by=self.work.actor.user_id,
        )

    def _announce(self, error_id: uuid.UUID, report: ErrorReport) -> None:
        source, severity = report.source.value, report.severity.value
        self.work.audit.record("error.recorded", "error_event", error_id, source=source, severity=severity)
        self.work.outbox.publish(
            ErrorRecorded(error_event_id=error_id, source=source, error_type=report.error_type, severity=severity)
        )


def _summary(row: ErrorEventRow) -> ErrorSummary:
    return ErrorSummary(
        id=row.id,
        tenant_id=row.tenant_id,
        source=ErrorSource(row.source),
        external_id=row.external_id,
        error_type=row.error_type,
        severity=Severity(row.severity),
        environment=row.environment,
        service=row.service,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        occurrence_count=row.occurrence_count,
        created_at=row.created_at,
    )
