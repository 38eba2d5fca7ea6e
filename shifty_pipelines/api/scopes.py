"""Which scope an API key needs for which route, as data beside the permission table. What is not in it, no key opens.

Reading is one scope; every other verb has a row here, or stands in `SESSION_ONLY`. A scope adds nothing: the person's
role and grants are asked first (`permissions.RULES`).
"""

from collections.abc import Mapping

from shifty_pipelines.api.permissions import RULES
from shifty_pipelines.contexts.tenancy.domain import Scope
from shifty_pipelines.kernel.tenant import Actor

Route = tuple[str, str]

#: (verb, path template) -> scope, for all but GET.
WRITE_SCOPES: Mapping[Route, Scope] = {
    ("POST", "/api/v1/auth/verify"): Scope.READ,
    # governing
    ("POST", "/api/v1/tenants/{tenant_id}/dead-letters/{event_id}/replay"): Scope.ADMIN,
    ("PUT", "/api/v1/tenants/{tenant_id}"): Scope.ADMIN,
    ("PUT", "/api/v1/users/{user_id}"): Scope.ADMIN,
    ("POST", "/api/v1/tenants/{tenant_id}/invitations"): Scope.ADMIN,
    ("DELETE", "/api/v1/tenants/{tenant_id}/invitations/{invitation_id}"): Scope.ADMIN,
    # labelling
    ("PUT", "/api/v1/tenants/{tenant_id}/label-sets/{mission_type}"): Scope.LABEL,
    ("POST", "/api/v1/tenants/{tenant_id}/missions"): Scope.LABEL,
    ("POST", "/api/v1/tenants/{tenant_id}/missions/next"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/assign"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/start"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/complete"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/undo"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/adjudicate"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/heartbeat"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/release"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/skip"): Scope.LABEL,
    ("PUT", "/api/v1/missions/{mission_id}/draft"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/cancel"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/outcome"): Scope.ADMIN,
    ("POST", "/api/v1/tenants/{tenant_id}/mission-templates"): Scope.LABEL,
    ("POST", "/api/v1/tenants/{tenant_id}/mission-batches"): Scope.LABEL,
    ("POST", "/api/v1/mission-batches/{batch_id}/pause"): Scope.LABEL,
    ("POST", "/api/v1/mission-batches/{batch_id}/resume"): Scope.LABEL,
    ("POST", "/api/v1/mission-batches/{batch_id}/cancel"): Scope.LABEL,
    ("PATCH", "/api/v1/profiles/{user_id}"): Scope.LABEL,
    ("POST", "/api/v1/missions/{mission_id}/corrections"): Scope.ADMIN,
    ("POST", "/api/v1/tenants/{tenant_id}/shop/purchases"): Scope.LABEL,
    ("PUT", "/api/v1/tenants/{tenant_id}/arcade-settings"): Scope.ADMIN,
    # models
    ("POST", "/api/v1/models"): Scope.TRAIN,
    ("POST", "/api/v1/models/{model_id}/evaluations"): Scope.TRAIN,
    ("POST", "/api/v1/models/{model_id}/deploy"): Scope.TRAIN,
    ("POST", "/api/v1/models/{model_id}/promote"): Scope.TRAIN,
    ("POST", "/api/v1/models/{model_id}/rollback"): Scope.TRAIN,
    ("POST", "/api/v1/tenants/{tenant_id}/datasets"): Scope.TRAIN,
    ("POST", "/api/v1/tenants/{tenant_id}/training-jobs"): Scope.TRAIN,
    ("POST", "/api/v1/training-jobs/{job_id}/cancel"): Scope.TRAIN,
    ("POST", "/api/v1/models/{model_id}/predictions"): Scope.PREDICT,
    # integrations
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints"): Scope.ADMIN,
    ("PATCH", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}"): Scope.ADMIN,
    ("DELETE", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}"): Scope.ADMIN,
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/rotate-secret"): Scope.ADMIN,
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/ping"): Scope.ADMIN,
    (
        "POST",
        "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay",
    ): Scope.ADMIN,
    # production feedback
    ("POST", "/api/v1/errors"): Scope.REPORT,
}

#: For people only: what founds or ends a tenant, belongs to one session, or would let a key outlive itself.
SESSION_ONLY: frozenset[Route] = frozenset(
    {
        ("POST", "/api/v1/tenants"),
        ("DELETE", "/api/v1/tenants/{tenant_id}"),
        ("POST", "/api/v1/auth/logout"),
        ("POST", "/api/v1/auth/password"),
        ("POST", "/api/v1/tenants/{tenant_id}/api-keys"),
        ("DELETE", "/api/v1/api-keys/{key_id}"),
    }
)


def scope_of(verb: str, path: str) -> Scope | None:
    """The scope that a key needs for this route; None where no key is let in."""
    return Scope.READ if verb == "GET" else WRITE_SCOPES.get((verb, path))


def scopes_open_to(actor: Actor) -> frozenset[Scope]:
    """The scopes that open at least one route to this person: those that a key of theirs may have.

    `admin` is for owners and admins: all that it would open to others is their own name, and it would open everything
    on the day they become one.
    """
    reachable = frozenset(
        scope
        for (verb, path), rule in RULES.items()
        if not rule.is_open and rule.allows(actor) and (scope := scope_of(verb, path)) is not None
    )
    return reachable if actor.is_lead() else reachable - {Scope.ADMIN}
