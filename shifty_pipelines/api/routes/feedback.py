"""Production feedback (3011)."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, page_of
from shifty_pipelines.api.catalogue import PRODUCTION_FEEDBACK
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.feedback.schemas import ErrorEventBody, ErrorSummaryBody, ReportedError

errors: APIRouter = router_of(PRODUCTION_FEEDBACK)


@errors.post("/api/v1/errors", status_code=201)
def report_error(body: ReportedError, call: CallDep) -> Ok[ErrorEventBody]:
    """Record one error event; the same source and externalId again is the same event."""
    with call.open() as services:
        recorded = services.feedback.record(body.to_report())
        return Ok[ErrorEventBody](data=ErrorEventBody.of(services.feedback.get(recorded.id)))


@errors.get("/api/v1/tenants/{tenant_id}/errors")
def list_errors(
    tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ErrorSummaryBody]:
    """Error events, newest first; their texts are opened one by one at `GET /errors/{id}`."""
    with call.open() as services:
        rows = services.feedback.list(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, ErrorSummaryBody)


@errors.get("/api/v1/errors/{event_id}")
def read_error(event_id: uuid.UUID, call: CallDep) -> Ok[ErrorEventBody]:
    """One error event with its text."""
    with call.open() as services:
        return Ok[ErrorEventBody](data=ErrorEventBody.of(services.feedback.get(event_id)))
