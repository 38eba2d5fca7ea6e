"""All SQL of feedback."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import defer

from shifty_pipelines.contexts.feedback.domain import ErrorSource
from shifty_pipelines.contexts.feedback.models import ErrorEventRow
from shifty_pipelines.kernel.repository import ScopedRepository


class FeedbackRepository(ScopedRepository):
    """Error events of one tenant."""

    def id_of(self, source: ErrorSource, external_id: str) -> uuid.UUID | None:
        """The event that a source knows by this id."""
        return self.session.scalar(
            select(ErrorEventRow.id).where(
                ErrorEventRow.tenant_id == self.tenant_id,
                ErrorEventRow.source == source.value,
                ErrorEventRow.external_id == external_id,
            )
        )

    def add_once(self, **columns: Any) -> bool:
        """Insert an event; False when its source and external id are there already.

        A delivery at the same moment makes this wait until the other one's transaction has ended.
        """
        statement = (
            insert(ErrorEventRow)
            .values(tenant_id=self.tenant_id, **columns)
            .on_conflict_do_nothing(
                index_elements=[ErrorEventRow.tenant_id, ErrorEventRow.source, ErrorEventRow.external_id]
            )
            .returning(ErrorEventRow.id)
        )
        return self.session.scalar(statement) is not None

    def raise_count(self, error_id: uuid.UUID, count: int, *, at: datetime) -> bool:
        """Set the event's count if it is higher than the present one; whether it was."""
        statement = (
            update(ErrorEventRow)
            .where(ErrorEventRow.tenant_id == self.tenant_id, ErrorEventRow.id == error_id)
            .where(ErrorEventRow.occurrence_count < count)
            .values(occurrence_count=count, last_seen=func.greatest(ErrorEventRow.last_seen, at))
            .returning(ErrorEventRow.id)
        )
        return self.session.scalar(statement) is not None

    def event(self, error_id: uuid.UUID) -> ErrorEventRow | None:
        """An event by id."""
        return self.find(ErrorEventRow, error_id)

    def events(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[ErrorEventRow]:
        """Events without their sealed texts, newest first, from the one after `after` on."""
        newest_first = (ErrorEventRow.created_at.desc(), ErrorEventRow.id.desc())
        # 200 sealed texts may weigh 128 MiB; a list shows none of them.
        without_text = defer(ErrorEventRow.sealed, raiseload=True)
        statement = self.scoped(ErrorEventRow).options(without_text).order_by(*newest_first).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(ErrorEventRow.created_at, ErrorEventRow.id) < tuple_(*after))
        return self.session.scalars(statement).all()
