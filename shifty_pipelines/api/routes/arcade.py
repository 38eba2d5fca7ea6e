"""HITL arcade (3009): missions and players."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, encode_cursor
from shifty_pipelines.api.catalogue import HITL_ARCADE
from shifty_pipelines.api.guard import Call, CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.schemas import (
    AdjudicateBody,
    AssignBody,
    CompleteBody,
    CompletionOut,
    CreateMissionBody,
    MissionOut,
    NextBody,
    StartBody,
    UndoBody,
)
from shifty_pipelines.flows import complete_mission as completing
from shifty_pipelines.flows import read_mission as reading
from shifty_pipelines.flows.create_mission import create_mission, create_mission_about_error
from shifty_pipelines.flows.settle_mission import adjudicate
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.services import Services

missions: APIRouter = router_of(HITL_ARCADE)
players: APIRouter = router_of(HITL_ARCADE)


def labeler_of(services: Services, call: Call, named: uuid.UUID | None) -> UserId:
    """Whose missions this call is about: the caller's, or those of a member the caller may act for."""
    labeler_id = call.acting_user(named)
    if labeler_id != call.actor.user_id:
        services.tenancy.user(labeler_id)
    return labeler_id


@missions.post("/api/v1/tenants/{tenant_id}/missions", status_code=201)
def post_mission(tenant_id: uuid.UUID, body: CreateMissionBody, call: CallDep, once: OnceDep) -> Ok[MissionOut]:
    """Create a mission with its slots, about a payload, which is sealed, or about an error event."""
    with call.open() as services:
        mission_id = once.run(services, lambda: _create(services, body))
        return Ok[MissionOut](data=_read(services, mission_id, call.acting_user(None)))


@missions.get("/api/v1/tenants/{tenant_id}/missions/available")
def list_available(
    tenant_id: uuid.UUID,
    call: CallDep,
    userId: uuid.UUID | None = None,  # noqa: N803  # the specification's query name
    type: MissionType | None = None,  # noqa: A002  # the specification's query name
    limit: Limit = 10,
) -> Page[MissionOut]:
    """Missions this labeler could take, without their payloads."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, userId)
        views = services.arcade.available(labeler_id=labeler_id, mission_type=type, limit=limit)
    return Page[MissionOut](data=[MissionOut.of(view) for view in views], next_cursor=None)


@missions.post("/api/v1/tenants/{tenant_id}/missions/next")
def next_missions(tenant_id: uuid.UUID, body: NextBody, call: CallDep) -> Ok[list[MissionOut]]:
    """Top up the caller's live missions to `count` and return them all."""
    with call.open() as services:
        views = services.arcade.next(labeler_id=call.acting_user(None), mission_type=body.type, count=body.count)
        return Ok[list[MissionOut]](data=[MissionOut.of(view) for view in reading.with_payloads(services, views)])


@missions.get("/api/v1/missions/{mission_id}")
def read_mission(mission_id: uuid.UUID, call: CallDep) -> Ok[MissionOut]:
    """One mission, as its caller may see it."""
    with call.open() as services:
        return Ok[MissionOut](data=_read(services, mission_id, call.acting_user(None)))


@missions.post("/api/v1/missions/{mission_id}/assign")
def assign_mission(mission_id: uuid.UUID, body: AssignBody, call: CallDep) -> Ok[MissionOut]:
    """Take a mission that was available; owners and admins may assign it to another member."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        services.arcade.assign(mission_id, labeler_id=labeler_id)
        return Ok[MissionOut](data=_read(services, mission_id, labeler_id))


@missions.post("/api/v1/missions/{mission_id}/start")
def start_mission(mission_id: uuid.UUID, body: StartBody, call: CallDep) -> Ok[MissionOut]:
    """Begin work on a mission one holds."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        services.arcade.start(mission_id, labeler_id=labeler_id)
        return Ok[MissionOut](data=_read(services, mission_id, labeler_id))


@missions.post("/api/v1/missions/{mission_id}/complete")
def complete_mission(mission_id: uuid.UUID, body: CompleteBody, call: CallDep) -> Ok[CompletionOut]:
    """Give the answer; XP is pending until the mission settles."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, body.user_id)
        completed = completing.complete_mission(
            services, mission_id, labeler_id=labeler_id, answer=body.as_it_came(), fencing_token=body.fencing_token
        )
        return Ok[CompletionOut](data=CompletionOut.of(completed))


@missions.post("/api/v1/missions/{mission_id}/undo")
def undo_mission(mission_id: uuid.UUID, body: UndoBody, call: CallDep) -> Ok[MissionOut]:
    """Take the last answer back, within ten seconds and before the mission settles."""
    with call.open() as services:
        view = completing.undo_completion(
            services, mission_id, labeler_id=labeler_of(services, call, body.user_id), fencing_token=body.fencing_token
        )
        return Ok[MissionOut](data=MissionOut.of(view))


@missions.post("/api/v1/missions/{mission_id}/adjudicate")
def adjudicate_mission(mission_id: uuid.UUID, body: AdjudicateBody, call: CallDep) -> Ok[MissionOut]:
    """Decide a disputed mission."""
    with call.open() as services:
        return Ok[MissionOut](data=MissionOut.of(adjudicate(services, mission_id, body.label)))


@players.get("/api/v1/users/{user_id}/missions/active")
def list_active(user_id: uuid.UUID, call: CallDep) -> Page[MissionOut]:
    """Missions a labeler holds."""
    with call.open() as services:
        views = services.arcade.active(labeler_id=labeler_of(services, call, user_id))
        shown = reading.with_payloads(services, views)
    return Page[MissionOut](data=[MissionOut.of(view) for view in shown], next_cursor=None)


@players.get("/api/v1/users/{user_id}/missions/completed")
def list_completed(user_id: uuid.UUID, call: CallDep, limit: Limit = 20, cursor: Cursor = None) -> Page[MissionOut]:
    """Missions a labeler completed, newest first."""
    with call.open() as services:
        views = services.arcade.completed(
            labeler_id=labeler_of(services, call, user_id), limit=limit + 1, after=decode_cursor(cursor)
        )
    shown, more = views[:limit], len(views) > limit
    cursor = encode_cursor(shown[-1].completed_at, shown[-1].id) if more and shown[-1].completed_at else None
    return Page[MissionOut](data=[MissionOut.of(view) for view in shown], next_cursor=cursor)


def _create(services: Services, body: CreateMissionBody) -> uuid.UUID:
    if body.error_event_id is not None:
        return create_mission_about_error(services, body.mission(), body.error_event_id).id
    return create_mission(services, body.mission(), payload=body.payload or {}).id


def _read(services: Services, mission_id: uuid.UUID, labeler_id: UserId) -> MissionOut:
    return MissionOut.of(reading.read_mission(services, mission_id, labeler_id=labeler_id))
