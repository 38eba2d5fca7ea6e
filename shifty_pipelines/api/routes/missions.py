"""HITL arcade (3009): missions in hand, deployments decided, templates and batches."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, page_of
from shifty_pipelines.api.catalogue import HITL_ARCADE
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routes.arcade import labeler_of
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.arcade.schemas import MissionOut
from shifty_pipelines.contexts.arcade.schemas.batches import AddTemplateBody, BatchOut, CreateBatchBody, TemplateOut
from shifty_pipelines.contexts.arcade.schemas.holding import (
    DraftBody,
    DraftOut,
    HoldBody,
    OutcomeBody,
    SkipBody,
    SkipOut,
)
from shifty_pipelines.flows.create_batch import add_template, create_batch
from shifty_pipelines.flows.keep_draft import keep_draft
from shifty_pipelines.flows.settle_mission import report_outcome
from shifty_pipelines.services import Services

holding: APIRouter = router_of(HITL_ARCADE)
batches: APIRouter = router_of(HITL_ARCADE)


@holding.post("/api/v1/missions/{mission_id}/heartbeat")
def extend_lease(mission_id: uuid.UUID, body: HoldBody, call: CallDep) -> Ok[MissionOut]:
    """Keep a mission while one works on it; each call extends its lease."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        view = services.arcade.heartbeat(mission_id, labeler_id=labeler_id, fencing_token=body.fencing_token)
        return Ok[MissionOut](data=MissionOut.of(view))


@holding.post("/api/v1/missions/{mission_id}/release")
def release_mission(mission_id: uuid.UUID, body: HoldBody, call: CallDep) -> Ok[MissionOut]:
    """Give a mission back; somebody else may have it at once."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        view = services.arcade.release(mission_id, labeler_id=labeler_id, fencing_token=body.fencing_token)
        return Ok[MissionOut](data=MissionOut.of(view))


@holding.post("/api/v1/missions/{mission_id}/skip")
def skip_mission(mission_id: uuid.UUID, body: SkipBody, call: CallDep) -> Ok[SkipOut]:
    """Pass a mission on for a reason; it is not offered to the caller again."""
    with call.open() as services:
        skipped = services.arcade.skip(
            mission_id,
            labeler_id=labeler_of(services, call, body.user_id),
            fencing_token=body.fencing_token,
            reason=body.reason,
        )
        return Ok[SkipOut](data=SkipOut.of(skipped))


@holding.put("/api/v1/missions/{mission_id}/draft")
def put_draft(mission_id: uuid.UUID, body: DraftBody, call: CallDep) -> Ok[DraftOut]:
    """Save an answer under way; it is kept when the lease ends."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        kept = keep_draft(services, mission_id, body.draft, labeler_id=labeler_id, fencing_token=body.fencing_token)
        return Ok[DraftOut](data=DraftOut(draft=kept.content, saved_at=kept.saved_at))


@holding.get("/api/v1/missions/{mission_id}/draft")
def read_draft(mission_id: uuid.UUID, call: CallDep) -> Ok[DraftOut]:
    """One's own draft."""
    with call.open() as services:
        kept = services.arcade.draft(mission_id, labeler_id=call.acting_user(None))
        return Ok[DraftOut](data=DraftOut(draft=kept.content, saved_at=kept.saved_at))


@holding.post("/api/v1/missions/{mission_id}/cancel")
def cancel_mission(mission_id: uuid.UUID, call: CallDep) -> Ok[MissionOut]:
    """Call a mission off; answers given are paid as promised."""
    with call.open() as services:
        services.arcade.cancel(mission_id)
        return Ok[MissionOut](data=MissionOut.of(services.arcade.view(mission_id, labeler_id=call.acting_user(None))))


@holding.post("/api/v1/missions/{mission_id}/outcome")
def post_outcome(mission_id: uuid.UUID, body: OutcomeBody, call: CallDep) -> Ok[MissionOut]:
    """Report what came of a decided deployment; all who decided are paid alike."""
    with call.open() as services:
        return Ok[MissionOut](data=MissionOut.of(report_outcome(services, mission_id, body.outcome)))


@batches.post("/api/v1/tenants/{tenant_id}/mission-templates", status_code=201)
def post_template(tenant_id: uuid.UUID, body: AddTemplateBody, call: CallDep) -> Ok[TemplateOut]:
    """Name a pattern of missions."""
    with call.open() as services:
        template_id = add_template(services, body.template())
        return Ok[TemplateOut](data=TemplateOut.model_validate(services.arcade.template(template_id)))


@batches.get("/api/v1/tenants/{tenant_id}/mission-templates")
def list_templates(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[TemplateOut]:
    """Templates, newest first."""
    with call.open() as services:
        found = services.arcade.templates(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(found, limit, TemplateOut)


@batches.get("/api/v1/mission-templates/{template_id}")
def read_template(template_id: uuid.UUID, call: CallDep) -> Ok[TemplateOut]:
    """One template."""
    with call.open() as services:
        return Ok[TemplateOut](data=TemplateOut.model_validate(services.arcade.template(template_id)))


@batches.post("/api/v1/tenants/{tenant_id}/mission-batches", status_code=201)
def post_batch(tenant_id: uuid.UUID, body: CreateBatchBody, call: CallDep, once: OnceDep) -> Ok[BatchOut]:
    """Make a mission about each payload, all or none."""
    with call.open() as services:
        batch_id = once.run(services, lambda: _make_batch(services, body))
        return Ok[BatchOut](data=BatchOut.model_validate(services.arcade.batch(batch_id)))


@batches.get("/api/v1/tenants/{tenant_id}/mission-batches")
def list_batches(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[BatchOut]:
    """Batches with their counts, newest first."""
    with call.open() as services:
        return page_of(services.arcade.batches(after=decode_cursor(cursor), limit=limit + 1), limit, BatchOut)


@batches.get("/api/v1/mission-batches/{batch_id}")
def read_batch(batch_id: uuid.UUID, call: CallDep) -> Ok[BatchOut]:
    """One batch, and how many of its missions are in which state."""
    with call.open() as services:
        return Ok[BatchOut](data=BatchOut.model_validate(services.arcade.batch(batch_id)))


@batches.post("/api/v1/mission-batches/{batch_id}/pause")
def pause_batch(batch_id: uuid.UUID, call: CallDep) -> Ok[BatchOut]:
    """Give out none of a batch's missions for now."""
    with call.open() as services:
        return Ok[BatchOut](data=BatchOut.model_validate(services.arcade.pause_batch(batch_id, is_paused=True)))


@batches.post("/api/v1/mission-batches/{batch_id}/resume")
def resume_batch(batch_id: uuid.UUID, call: CallDep) -> Ok[BatchOut]:
    """Give a batch's missions out again."""
    with call.open() as services:
        return Ok[BatchOut](data=BatchOut.model_validate(services.arcade.pause_batch(batch_id, is_paused=False)))


@batches.post("/api/v1/mission-batches/{batch_id}/cancel")
def cancel_batch(batch_id: uuid.UUID, call: CallDep) -> Ok[BatchOut]:
    """Call off what a batch has left; answers given are paid as promised."""
    with call.open() as services:
        return Ok[BatchOut](data=BatchOut.model_validate(services.arcade.cancel_batch(batch_id)))


def _make_batch(services: Services, body: CreateBatchBody) -> uuid.UUID:
    made = create_batch(services, body.template_id, body.payloads, name=body.name, expires_at=body.expires_at)
    return made.id
