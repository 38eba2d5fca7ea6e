"""All SQL of integrations."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from shifty_pipelines.contexts.integrations.models import WebhookDelivery, WebhookEndpoint
from shifty_pipelines.kernel.repository import ScopedRepository


class IntegrationsRepository(ScopedRepository):
    """Webhook endpoints and deliveries of one tenant."""

    # ------------------------------------------------------------------------------------------------------- endpoints

    def endpoint(self, endpoint_id: uuid.UUID, *, lock: bool = False) -> WebhookEndpoint | None:
        """An endpoint that was not deleted."""
        statement = self.scoped(WebhookEndpoint).where(
            WebhookEndpoint.id == endpoint_id, WebhookEndpoint.deleted_at.is_(None)
        )
        if lock:
            return self.session.scalar(statement.with_for_update(), execution_options={"populate_existing": True})
        return self.session.scalar(statement)

    def endpoints(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[WebhookEndpoint]:
        """Endpoints by age, from the one after `after` on."""
        statement = (
            self.scoped(WebhookEndpoint)
            .where(WebhookEndpoint.deleted_at.is_(None))
            .order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(tuple_(WebhookEndpoint.created_at, WebhookEndpoint.id) > tuple_(*after))
        return self.session.scalars(statement).all()

    def count_endpoints(self) -> int:
        """How many endpoints the tenant has; until this transaction ends nobody else counts."""
        self.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks {self.tenant_id}", 0))))
        found = self.scoped(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None)).subquery()
        return self.session.scalar(select(func.count()).select_from(found)) or 0

    def subscribed(self, event_type: str) -> Sequence[uuid.UUID]:
        """Ids of the enabled endpoints that want this type."""
        statement = select(WebhookEndpoint.id).where(
            WebhookEndpoint.tenant_id == self.tenant_id,
            WebhookEndpoint.deleted_at.is_(None),
            WebhookEndpoint.is_enabled,
            WebhookEndpoint.event_types.contains([event_type]),
        )
        return self.session.scalars(statement).all()

    # ------------------------------------------------------------------------------------------------------ deliveries

    def delivery(self, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> WebhookDelivery | None:
        """A delivery to this endpoint, locked."""
        statement = self.scoped(WebhookDelivery).where(
            WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id
        )
        return self.session.scalar(statement.with_for_update(), execution_options={"populate_existing": True})

    def delivery_locked(self, delivery_id: uuid.UUID) -> WebhookDelivery | None:
        """A delivery by id, locked."""
        return self.find_locked(WebhookDelivery, delivery_id)

    def deliveries(
        self, endpoint_id: uuid.UUID, *, status: str | None, after: tuple[datetime, uuid.UUID] | None, limit: int
    ) -> Sequence[WebhookDelivery]:
        """Deliveries to this endpoint, newest first, from the one after `after` on."""
        statement = (
            self.scoped(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint_id)
            .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
            .limit(limit)
        )
        if status is not None:
            statement = statement.where(WebhookDelivery.status == status)
        if after is not None:
            statement = statement.where(tuple_(WebhookDelivery.created_at, WebhookDelivery.id) < tuple_(*after))
        return self.session.scalars(statement).all()

    def add_deliveries(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert deliveries and queue them; those whose endpoint has the event already are left as they are."""
        if not rows:
            return
        statement = (
            insert(WebhookDelivery)
            .values([dict(row) for row in rows])
            .on_conflict_do_nothing(
                index_elements=[WebhookDelivery.tenant_id, WebhookDelivery.endpoint_id, WebhookDelivery.event_id]
            )
            .returning(WebhookDelivery.id)
        )
        for delivery_id in self.session.scalars(statement).all():
            self.enqueue(delivery_id)

    def enqueue(self, delivery_id: uuid.UUID) -> None:
        """Let the senders have it, at once."""
        self.session.execute(text("SELECT platform.enqueue('webhook', :id)"), {"id": delivery_id})

    def begin(self, delivery_id: uuid.UUID, *, now: datetime, until: datetime) -> WebhookDelivery | None:
        """Take a due delivery for one attempt; None if it is not due, not pending, or somebody is at it."""
        statement = (
            update(WebhookDelivery)
            .where(
                WebhookDelivery.tenant_id == self.tenant_id,
                WebhookDelivery.id == delivery_id,
                WebhookDelivery.status == "pending",
                WebhookDelivery.next_attempt_at <= now,
                or_(WebhookDelivery.sending_until.is_(None), WebhookDelivery.sending_until <= now),
            )
            .values(attempts=WebhookDelivery.attempts + 1, sending_until=until)
            .returning(WebhookDelivery)
        )
        return self.session.scalar(statement, execution_options={"populate_existing": True})

    def cancel_pending(self, endpoint_id: uuid.UUID, *, reason: str, at: datetime) -> None:
        """End what waits for this endpoint; an attempt under way ends it itself."""
        self.session.execute(
            update(WebhookDelivery)
            .where(
                WebhookDelivery.tenant_id == self.tenant_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.status == "pending",
                WebhookDelivery.sending_until.is_(None),
            )
            .values(status="cancelled", failure=reason, next_attempt_at=None, finished_at=at)
            .execution_options(synchronize_session=False)
        )

    def forget_before(self, before: datetime, *, at_most: int) -> None:
        """Delete some finished deliveries older than that; those that somebody is at are left for later."""
        old = (
            select(WebhookDelivery.id)
            .where(
                WebhookDelivery.tenant_id == self.tenant_id,
                WebhookDelivery.created_at < before,
                WebhookDelivery.status != "pending",
            )
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
        self.session.execute(
            delete(WebhookDelivery)
            .where(WebhookDelivery.tenant_id == self.tenant_id, WebhookDelivery.id.in_(old))
            .execution_options(synchronize_session=False)
        )
