"""For every route one request that succeeds: the twin of every probe. A route without one fails the suite."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from tests.api.conftest import LABELS, PASSWORD, Person, World, error_body, random_address

WEBHOOKS = "/api/v1/tenants/{tenant_id}/webhook-endpoints"


@dataclass(frozen=True)
class Twin:
    """A request by `caller` that succeeds: values of the path's parameters, the query and the JSON body."""

    path_ids: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    other_path: Mapping[str, str] = field(default_factory=dict)


def _claimed(world: World, caller: Person) -> str:
    """A mission that the caller holds."""
    mission = _offered(world, caller, slotCount=2)
    world.owner.data("POST", f"/api/v1/missions/{mission}/assign", json={"userId": caller.id})
    return mission


def _offered(world: World, caller: Person, **fields: Any) -> str:
    """A mission that the caller may take: somebody else's."""
    world.set_labels()
    author = world.people[Role.ADMIN] if caller.id == world.owner.id else world.owner
    return world.mission(author, **fields)


def _held(world: World, caller: Person, **body: Any) -> Twin:
    mission = _claimed(world, caller)
    return Twin({"mission_id": mission}, body={"userId": caller.id, "fencingToken": 1, **body})


def _drafted(world: World, caller: Person) -> Twin:
    twin = _held(world, caller)
    path = f"/api/v1/missions/{twin.path_ids['mission_id']}/draft"
    caller.data("PUT", path, json={"fencingToken": 1, "draft": {"notes": "hm"}})
    return Twin(twin.path_ids)


def _decided(world: World) -> str:
    """A deployment whose quorum is complete; set so directly, which is quicker."""
    mission = world.mission(type="approve_deployment", payload={"change": "version 2"}, slotCount=2)
    with world.platform.app.tenant_transaction(world.tenant_id) as scope:  # type: ignore[arg-type]
        scope.session.execute(
            text("UPDATE missions SET state = 'decided', decision = 'approve' WHERE tenant_id = :t AND id = :m"),
            {"t": world.tenant_id, "m": mission},
        )
    return mission


def template_of(world: World) -> str:
    world.set_labels()
    body = {"name": secrets.token_hex(4), "type": "classify_error", "title": "What caused this?"}
    return str(world.owner.data("POST", f"/api/v1/tenants/{world.tenant_id}/mission-templates", json=body)["id"])


def _batch_body(world: World) -> dict[str, Any]:
    return {"templateId": template_of(world), "name": "night", "payloads": [{"message": "boom"}]}


def _batch(world: World, _caller: Person) -> Twin:
    path = f"/api/v1/tenants/{world.tenant_id}/mission-batches"
    return Twin({"batch_id": str(world.owner.data("POST", path, json=_batch_body(world))["id"])})


def _completed(world: World, caller: Person) -> tuple[str, int]:
    mission = _claimed(world, caller)
    held = world.owner.data("GET", f"/api/v1/users/{caller.id}/missions/active")
    token = next(view["fencingToken"] for view in held if view["id"] == mission)
    caller.data("POST", f"/api/v1/missions/{mission}/complete", json=_answer(caller))
    return mission, token


def _answer(caller: Person) -> dict[str, Any]:
    return {"userId": caller.id, "result": {"selectedOption": LABELS[0]}}


def _correction(world: World, caller: Person) -> Twin:
    """A mission that the caller answered and that was settled, whose payment is to be taken back."""
    mission = _offered(world, caller, slotCount=1)
    world.owner.data("POST", f"/api/v1/missions/{mission}/assign", json={"userId": caller.id})
    caller.data("POST", f"/api/v1/missions/{mission}/complete", json=_answer(caller))
    with world.platform.open(system_actor(TenantId(uuid.UUID(world.tenant_id)))) as services:
        services.arcade.settle(uuid.UUID(mission), LABELS[0])
    body = {"userId": caller.id, "isRight": False, "reason": "mistake", "causeId": str(uuid.uuid4())}
    return Twin({"mission_id": mission}, body=body)


def _purchase(world: World, caller: Person) -> Twin:
    """A freeze, however often: the caller's earlier ones are used up, and they have the coins for another."""
    caller.data("GET", f"/api/v1/profiles/{caller.id}")
    with world.platform.app.tenant_transaction(world.tenant_id) as scope:  # type: ignore[arg-type]
        scope.session.execute(
            text("UPDATE labeler_streaks SET state = jsonb_set(state, '{bought_count}', '0') WHERE id = :u"),
            {"u": caller.id},
        )
        scope.session.execute(
            text(
                "INSERT INTO xp_ledger (tenant_id, id, labeler_id, kind, xp, coins, xp_pending, coins_pending,"
                " created_at, reason, cause_id) VALUES (:t, gen_random_uuid(), :u, 'bonus', 0, 50, 0, 0, now(), 'test',"
                " gen_random_uuid())"
            ),
            {"t": world.tenant_id, "u": caller.id},
        )
    return Twin({"tenant_id": world.tenant_id}, body={"itemId": "streak_freeze", "tenantId": world.tenant_id})


def _disputed(world: World) -> str:
    """A mission whose seven slots are used and that has no clear answer; set so directly, which is quicker."""
    world.set_labels()
    mission = world.mission()
    with world.platform.app.tenant_transaction(world.tenant_id) as scope:  # type: ignore[arg-type]
        scope.session.execute(
            text("UPDATE missions SET state = 'disputed' WHERE tenant_id = :t AND id = :m"),
            {"t": world.tenant_id, "m": mission},
        )
    return mission


def _dead_letter(world: World) -> str:
    """An event whose reaction gave up."""
    with world.platform.app.tenant_transaction(world.tenant_id) as scope:  # type: ignore[arg-type]
        event_id = scope.session.scalar(
            text("SELECT id FROM outbox_events WHERE tenant_id = :t LIMIT 1"), {"t": world.tenant_id}
        )
        scope.session.execute(
            text(
                "INSERT INTO outbox_deliveries VALUES (:t, :e, 'settle_mission', 'dead', 8, 'ValueError', now())"
                " ON CONFLICT (tenant_id, event_id, subscriber) DO UPDATE SET status = 'dead'"
            ),
            {"t": world.tenant_id, "e": event_id},
        )
    return str(event_id)


def _tenant(world: World, _caller: Person) -> Twin:
    return Twin({"tenant_id": world.tenant_id})


def _mission_query(world: World, caller: Person) -> Twin:
    return Twin({"tenant_id": world.tenant_id}, query={"userId": caller.id, "limit": "10"})


def _undo(world: World, caller: Person) -> Twin:
    mission, token = _completed(world, caller)
    return Twin({"mission_id": mission}, body={"userId": caller.id, "fencingToken": token})


def _create_mission(world: World, _caller: Person) -> Twin:
    world.set_labels()
    body = {"type": "classify_error", "title": "What caused this?", "payload": {"message": "boom"}}
    return Twin({"tenant_id": world.tenant_id}, body={**body, "tenantId": world.tenant_id})


def _mission(world: World, caller: Person) -> Twin:
    return Twin({"mission_id": _claimed(world, caller)}, body={"userId": caller.id})


def _unclaimed(world: World, caller: Person) -> Twin:
    return Twin({"mission_id": _offered(world, caller)}, body={"userId": caller.id})


def _promote(world: World, _caller: Person) -> Twin:
    line = world.models.line()
    return Twin({"model_id": line}, body={"version": world.models.version(line)})


def _rows(world: World, _caller: Person) -> Twin:
    dataset, version = world.datasets.published()
    return Twin({"dataset_id": dataset, "version_id": version})


def _invitation(world: World) -> str:
    path = f"/api/v1/tenants/{world.tenant_id}/invitations"
    return str(world.owner.data("POST", path, json={"email": random_address()})["id"])


def _invite(world: World, _caller: Person) -> Twin:
    return Twin({"tenant_id": world.tenant_id}, body={"email": random_address(), "tenantId": world.tenant_id})


def _api_key(world: World, caller: Person) -> str:
    body = {"name": "ci", "scopes": ["read"]}
    return str(caller.data("POST", f"/api/v1/tenants/{world.tenant_id}/api-keys", json=body)["id"])


def _subscription(world: World) -> str:
    path = f"/api/v1/tenants/{world.tenant_id}/webhook-endpoints"
    body = {"url": f"https://{secrets.token_hex(6)}.example.com/hook", "eventTypes": ["mission.settled"]}
    made = world.owner.data("POST", path, json=body)["id"]
    others = [found["id"] for found in world.owner.data("GET", path) if found["id"] != made]
    if len(others) > 8:  # a tenant has 20 at most
        world.owner.call("DELETE", f"{path}/{others[0]}")
    return str(made)


def _endpoint(world: World, _caller: Person) -> Twin:
    return Twin({"tenant_id": world.tenant_id, "endpoint_id": _subscription(world)})


def _webhook_delivery(world: World, caller: Person) -> Twin:
    twin = _endpoint(world, caller)
    path = "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/ping".format(**twin.path_ids)
    return Twin({**twin.path_ids, "delivery_id": str(world.owner.data("POST", path)["id"])})


Builder = Callable[[World, Person], Twin]

#: (verb, path) -> how to make its twin. Ids of the caller's own tenant stand in `path_ids`, `query` and `body`.
TWINS: Mapping[tuple[str, str], Builder] = {
    ("GET", "/health/detailed"): lambda _w, _c: Twin(),
    ("GET", "/api/v1/metrics"): lambda _w, _c: Twin(),
    ("GET", "/api/v1/tenants/{tenant_id}/dead-letters"): _tenant,
    ("POST", "/api/v1/tenants/{tenant_id}/dead-letters/{event_id}/replay"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id, "event_id": _dead_letter(w)}
    ),
    ("GET", "/api/v1/tenants"): lambda w, _c: Twin(query={"tenantId": w.tenant_id}),
    ("GET", "/api/v1/tenants/{tenant_id}"): _tenant,
    ("PUT", "/api/v1/tenants/{tenant_id}"): lambda w, _c: Twin({"tenant_id": w.tenant_id}, body={"name": "New name"}),
    ("DELETE", "/api/v1/tenants/{tenant_id}"): _tenant,
    ("GET", "/api/v1/tenants/{tenant_id}/stats"): _tenant,
    ("POST", "/api/v1/auth/verify"): lambda _w, _c: Twin(),
    ("POST", "/api/v1/auth/logout"): lambda _w, _c: Twin(),
    ("POST", "/api/v1/auth/password"): lambda _w, _c: Twin(body={"presentPassword": PASSWORD, "newPassword": PASSWORD}),
    ("POST", "/api/v1/tenants/{tenant_id}/invitations"): _invite,
    ("GET", "/api/v1/tenants/{tenant_id}/invitations"): _tenant,
    ("DELETE", "/api/v1/tenants/{tenant_id}/invitations/{invitation_id}"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id, "invitation_id": _invitation(w)}
    ),
    ("POST", "/api/v1/tenants/{tenant_id}/api-keys"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={"name": "ci", "scopes": ["read"], "tenantId": w.tenant_id}
    ),
    ("GET", "/api/v1/tenants/{tenant_id}/api-keys"): _tenant,
    ("DELETE", "/api/v1/api-keys/{key_id}"): lambda w, c: Twin({"key_id": _api_key(w, c)}),
    ("GET", "/api/v1/users"): lambda w, _c: Twin(query={"tenantId": w.tenant_id}),
    ("GET", "/api/v1/users/{user_id}"): lambda _w, c: Twin({"user_id": c.id}),
    ("PUT", "/api/v1/users/{user_id}"): lambda _w, c: Twin({"user_id": c.id}, body={"firstName": "Renamed"}),
    ("GET", "/api/v1/tenants/{tenant_id}/label-sets"): _tenant,
    ("PUT", "/api/v1/tenants/{tenant_id}/label-sets/{mission_type}"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={"labels": ["yes", "no"]}, other_path={"mission_type": "verify_fix"}
    ),
    ("POST", "/api/v1/tenants/{tenant_id}/missions"): _create_mission,
    ("GET", "/api/v1/tenants/{tenant_id}/missions/available"): _mission_query,
    ("POST", "/api/v1/tenants/{tenant_id}/missions/next"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={"count": 1, "tenantId": w.tenant_id}
    ),
    ("GET", "/api/v1/missions/{mission_id}"): lambda w, c: Twin(
        {"mission_id": _unclaimed(w, c).path_ids["mission_id"]}
    ),
    ("POST", "/api/v1/missions/{mission_id}/assign"): _unclaimed,
    ("POST", "/api/v1/missions/{mission_id}/start"): _mission,
    ("POST", "/api/v1/missions/{mission_id}/complete"): lambda w, c: Twin(
        {"mission_id": _claimed(w, c)}, body=_answer(c)
    ),
    ("POST", "/api/v1/missions/{mission_id}/undo"): _undo,
    ("POST", "/api/v1/missions/{mission_id}/adjudicate"): lambda w, _c: Twin(
        {"mission_id": _disputed(w)}, body={"label": LABELS[0]}
    ),
    ("POST", "/api/v1/missions/{mission_id}/heartbeat"): _held,
    ("POST", "/api/v1/missions/{mission_id}/release"): _held,
    ("POST", "/api/v1/missions/{mission_id}/skip"): lambda w, c: _held(w, c, reason="missing_context"),
    ("PUT", "/api/v1/missions/{mission_id}/draft"): lambda w, c: _held(w, c, draft={"notes": "hm"}),
    ("GET", "/api/v1/missions/{mission_id}/draft"): _drafted,
    ("POST", "/api/v1/missions/{mission_id}/cancel"): lambda w, c: Twin({"mission_id": _offered(w, c)}),
    ("POST", "/api/v1/missions/{mission_id}/outcome"): lambda w, _c: Twin(
        {"mission_id": _decided(w)}, body={"outcome": "good"}
    ),
    ("POST", "/api/v1/tenants/{tenant_id}/mission-templates"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id},
        body={
            "name": secrets.token_hex(4),
            "type": "classify_error",
            "title": "What caused this?",
            "tenantId": w.tenant_id,
        },
    ),
    ("GET", "/api/v1/tenants/{tenant_id}/mission-templates"): _tenant,
    ("GET", "/api/v1/mission-templates/{template_id}"): lambda w, _c: Twin({"template_id": template_of(w)}),
    ("POST", "/api/v1/tenants/{tenant_id}/mission-batches"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={**_batch_body(w), "tenantId": w.tenant_id}
    ),
    ("GET", "/api/v1/tenants/{tenant_id}/mission-batches"): _tenant,
    ("GET", "/api/v1/mission-batches/{batch_id}"): _batch,
    ("POST", "/api/v1/mission-batches/{batch_id}/pause"): _batch,
    ("POST", "/api/v1/mission-batches/{batch_id}/resume"): _batch,
    ("POST", "/api/v1/mission-batches/{batch_id}/cancel"): _batch,
    ("GET", "/api/v1/users/{user_id}/missions/active"): lambda _w, c: Twin({"user_id": c.id}),
    ("GET", "/api/v1/users/{user_id}/missions/completed"): lambda _w, c: Twin({"user_id": c.id}),
    ("GET", "/api/v1/profiles/{user_id}"): lambda w, c: Twin({"user_id": c.id}, query={"tenantId": w.tenant_id}),
    ("PATCH", "/api/v1/profiles/{user_id}"): lambda w, c: Twin(
        {"user_id": c.id}, body={"displayName": "Ada", "tenantId": w.tenant_id}
    ),
    ("GET", "/api/v1/users/{user_id}/ledger"): lambda _w, c: Twin({"user_id": c.id}),
    ("POST", "/api/v1/missions/{mission_id}/corrections"): _correction,
    ("GET", "/api/v1/tenants/{tenant_id}/leaderboard"): _tenant,
    ("GET", "/api/v1/tenants/{tenant_id}/leaderboard/export"): _tenant,
    ("GET", "/api/v1/tenants/{tenant_id}/badges"): _tenant,
    ("GET", "/api/v1/tenants/{tenant_id}/challenges/today"): _tenant,
    ("GET", "/api/v1/tenants/{tenant_id}/shop"): _tenant,
    ("POST", "/api/v1/tenants/{tenant_id}/shop/purchases"): _purchase,
    ("GET", "/api/v1/tenants/{tenant_id}/arcade-settings"): _tenant,
    ("PUT", "/api/v1/tenants/{tenant_id}/arcade-settings"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={"timeZone": "Europe/Berlin", "tenantId": w.tenant_id}
    ),
    ("POST", "/api/v1/tenants/{tenant_id}/datasets"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id},
        body={"name": secrets.token_hex(4), "missionType": "classify_error", "tenantId": w.tenant_id},
    ),
    ("GET", "/api/v1/tenants/{tenant_id}/datasets"): _tenant,
    ("GET", "/api/v1/datasets/{dataset_id}"): lambda w, _c: Twin({"dataset_id": w.datasets.published()[0]}),
    ("GET", "/api/v1/datasets/{dataset_id}/versions"): lambda w, _c: Twin({"dataset_id": w.datasets.published()[0]}),
    ("GET", "/api/v1/datasets/{dataset_id}/versions/{version_id}/rows"): _rows,
    ("POST", "/api/v1/models"): lambda w, _c: Twin(
        body={"tenantId": w.tenant_id, "name": "tiny", "source": "custom", "sourceId": "local:tiny"}
    ),
    ("GET", "/api/v1/models/{model_id}"): lambda w, _c: Twin({"model_id": w.models.served()}),
    ("GET", "/api/v1/tenants/{tenant_id}/models"): _tenant,
    ("POST", "/api/v1/models/{model_id}/evaluations"): lambda w, _c: Twin(
        {"model_id": w.models.served()}, body={"tenantId": w.tenant_id, "metrics": {"accuracy": 0.9}}
    ),
    ("GET", "/api/v1/models/{model_id}/evaluations"): lambda w, _c: Twin({"model_id": w.models.served()}),
    ("POST", "/api/v1/models/{model_id}/deploy"): lambda w, _c: Twin(
        {"model_id": w.models.served()}, body={"instanceId": "local"}
    ),
    ("POST", "/api/v1/models/{model_id}/promote"): _promote,
    ("POST", "/api/v1/models/{model_id}/rollback"): lambda w, _c: Twin(
        {"model_id": w.models.served(versions=2)}, body={"reason": "worse in practice"}
    ),
    ("POST", "/api/v1/tenants/{tenant_id}/training-jobs"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id}, body={"tenantId": w.tenant_id, "datasetId": w.models.dataset()}
    ),
    ("GET", "/api/v1/tenants/{tenant_id}/training-jobs"): _tenant,
    ("GET", "/api/v1/training-jobs/{job_id}"): lambda w, _c: Twin({"job_id": w.models.job()}),
    ("POST", "/api/v1/training-jobs/{job_id}/cancel"): lambda w, _c: Twin({"job_id": w.models.job()}),
    ("POST", "/api/v1/models/{model_id}/predictions"): lambda w, _c: Twin(
        {"model_id": w.models.served(favourite="bug")}, body={"inputs": ["the page is broken"]}
    ),
    ("POST", f"{WEBHOOKS}"): lambda w, _c: Twin(
        {"tenant_id": w.tenant_id},
        body={"tenantId": w.tenant_id, "url": "https://hooks.example.com/a", "eventTypes": ["task.completed"]},
    ),
    ("GET", f"{WEBHOOKS}"): _tenant,
    ("GET", f"{WEBHOOKS}/{{endpoint_id}}"): _endpoint,
    ("PATCH", f"{WEBHOOKS}/{{endpoint_id}}"): lambda w, c: Twin(_endpoint(w, c).path_ids, body={"enabled": False}),
    ("DELETE", f"{WEBHOOKS}/{{endpoint_id}}"): _endpoint,
    ("POST", f"{WEBHOOKS}/{{endpoint_id}}/rotate-secret"): lambda w, c: Twin(
        _endpoint(w, c).path_ids, body={"overlapHours": 1}
    ),
    ("POST", f"{WEBHOOKS}/{{endpoint_id}}/ping"): _endpoint,
    ("GET", f"{WEBHOOKS}/{{endpoint_id}}/deliveries"): _endpoint,
    ("POST", f"{WEBHOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}/replay"): _webhook_delivery,
    ("POST", "/api/v1/errors"): lambda w, _c: Twin(body=error_body(w.tenant_id)),
    ("GET", "/api/v1/tenants/{tenant_id}/errors"): _tenant,
    ("GET", "/api/v1/errors/{event_id}"): lambda w, _c: Twin({"event_id": w.error_event()}),
}
