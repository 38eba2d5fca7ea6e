"""Dead letters: reactions that gave up, shown and replayed."""

import uuid
from datetime import datetime

from fastapi import APIRouter

from shifty_pipelines.api.answers import Limit, Message, Page
from shifty_pipelines.api.catalogue import GATEWAY
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.kernel.wire import WireModel

dead_letters: APIRouter = router_of(GATEWAY)


class DeadLetterBody(WireModel):
    """A reaction that gave up."""

    event_id: uuid.UUID
    event_type: str
    subscriber: str
    attempts: int
    last_error: str | None
    updated_at: datetime


@dead_letters.get("/api/v1/tenants/{tenant_id}/dead-letters")
def list_dead_letters(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50) -> Page[DeadLetterBody]:
    """The newest reactions that gave up."""
    with call.open() as services:
        letters = services.work.outbox.dead_letters(limit)
    return Page[DeadLetterBody](data=[DeadLetterBody.model_validate(letter) for letter in letters], next_cursor=None)


@dead_letters.post("/api/v1/tenants/{tenant_id}/dead-letters/{event_id}/replay")
def replay_dead_letter(tenant_id: uuid.UUID, event_id: uuid.UUID, call: CallDep) -> Message:
    """Try the dead reactions of one event again."""
    with call.open() as services:
        count = services.work.outbox.replay(event_id)
        services.work.audit.record("outbox.replayed", "event", event_id, reactions=count)
    return Message(message=f"{count} reaction(s) queued again")
