"""Who may call what: roles and grants by verb and path, as one table of data. What is not in it is refused.

A route without a row here does not start (`guard.GuardedRoute`), and a test walks the whole table. Finer rules, such as
"only for oneself", are the services'.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shifty_pipelines.kernel.tenant import Actor, Role


@dataclass(frozen=True, slots=True)
class Rule:
    """Callers with one of these roles, or one of these grants beside any role; `is_open` asks for no token."""

    roles: frozenset[Role] = frozenset()
    grants: frozenset[str] = field(default=frozenset())
    is_open: bool = False

    def allows(self, actor: Actor) -> bool:
        """Whether this caller may."""
        return actor.role in self.roles or bool(self.grants & actor.grants)


OPEN = Rule(is_open=True)
EVERYBODY = Rule(frozenset(Role))
MEMBERS = Rule(frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER}))
LEADS = Rule(frozenset({Role.OWNER, Role.ADMIN}), frozenset({"lead"}))
ADMINS = Rule(frozenset({Role.OWNER, Role.ADMIN}))
AUDITORS = Rule(frozenset({Role.OWNER, Role.ADMIN}), frozenset({"auditor"}))
OWNERS = Rule(frozenset({Role.OWNER}))

#: (verb, path template) -> rule.
RULES: Mapping[tuple[str, str], Rule] = {
    # every port
    ("GET", "/health"): OPEN,
    ("GET", "/health/detailed"): EVERYBODY,
    ("GET", "/metrics"): OPEN,  # the route itself asks for the scrape token or a loopback caller
    # gateway
    ("GET", "/api/v1/services/health"): OPEN,
    ("GET", "/api/v1/metrics"): ADMINS,
    ("GET", "/api/docs"): OPEN,
    ("GET", "/api/v1/tenants/{tenant_id}/dead-letters"): AUDITORS,
    ("POST", "/api/v1/tenants/{tenant_id}/dead-letters/{event_id}/replay"): ADMINS,
    # tenant manager
    ("GET", "/api/v1/tenants"): EVERYBODY,
    ("POST", "/api/v1/tenants"): OWNERS,
    ("GET", "/api/v1/tenants/{tenant_id}"): EVERYBODY,
    ("PUT", "/api/v1/tenants/{tenant_id}"): ADMINS,
    ("DELETE", "/api/v1/tenants/{tenant_id}"): OWNERS,
    ("GET", "/api/v1/tenants/{tenant_id}/stats"): EVERYBODY,
    # auth service
    ("POST", "/api/v1/auth/register"): OPEN,
    ("POST", "/api/v1/auth/login"): OPEN,
    ("POST", "/api/v1/auth/verify"): EVERYBODY,
    ("POST", "/api/v1/auth/logout"): EVERYBODY,
    ("POST", "/api/v1/auth/refresh"): OPEN,  # the refresh token is the proof
    ("POST", "/api/v1/auth/accept-invitation"): OPEN,  # the invitation's secret is the proof
    ("POST", "/api/v1/auth/password"): EVERYBODY,
    ("POST", "/api/v1/tenants/{tenant_id}/invitations"): ADMINS,
    ("GET", "/api/v1/tenants/{tenant_id}/invitations"): ADMINS,
    ("DELETE", "/api/v1/tenants/{tenant_id}/invitations/{invitation_id}"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/api-keys"): EVERYBODY,
    ("GET", "/api/v1/tenants/{tenant_id}/api-keys"): EVERYBODY,  # one's own; everybody's for owners and admins
    ("DELETE", "/api/v1/api-keys/{key_id}"): EVERYBODY,  # likewise
    ("GET", "/api/v1/users"): EVERYBODY,
    ("GET", "/api/v1/users/{user_id}"): EVERYBODY,
    ("PUT", "/api/v1/users/{user_id}"): EVERYBODY,  # one's own name; rights of others by the service's rules
    # hitl arcade
    ("GET", "/api/v1/tenants/{tenant_id}/label-sets"): EVERYBODY,
    ("PUT", "/api/v1/tenants/{tenant_id}/label-sets/{mission_type}"): LEADS,
    ("POST", "/api/v1/tenants/{tenant_id}/missions"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/missions/available"): MEMBERS,
    ("POST", "/api/v1/tenants/{tenant_id}/missions/next"): MEMBERS,
    ("GET", "/api/v1/missions/{mission_id}"): EVERYBODY,
    ("POST", "/api/v1/missions/{mission_id}/assign"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/start"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/complete"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/undo"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/adjudicate"): LEADS,
    ("POST", "/api/v1/missions/{mission_id}/heartbeat"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/release"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/skip"): MEMBERS,
    ("PUT", "/api/v1/missions/{mission_id}/draft"): MEMBERS,
    ("GET", "/api/v1/missions/{mission_id}/draft"): MEMBERS,
    ("POST", "/api/v1/missions/{mission_id}/cancel"): LEADS,
    ("POST", "/api/v1/missions/{mission_id}/outcome"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/mission-templates"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/mission-templates"): LEADS,
    ("GET", "/api/v1/mission-templates/{template_id}"): LEADS,
    ("POST", "/api/v1/tenants/{tenant_id}/mission-batches"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/mission-batches"): LEADS,
    ("GET", "/api/v1/mission-batches/{batch_id}"): LEADS,
    ("POST", "/api/v1/mission-batches/{batch_id}/pause"): LEADS,
    ("POST", "/api/v1/mission-batches/{batch_id}/resume"): LEADS,
    ("POST", "/api/v1/mission-batches/{batch_id}/cancel"): LEADS,
    ("GET", "/api/v1/users/{user_id}/missions/active"): MEMBERS,
    ("GET", "/api/v1/users/{user_id}/missions/completed"): MEMBERS,
    ("GET", "/api/v1/profiles/{user_id}"): EVERYBODY,
    ("PATCH", "/api/v1/profiles/{user_id}"): MEMBERS,
    ("GET", "/api/v1/users/{user_id}/ledger"): MEMBERS,  # one's own; everybody's for owners and admins
    ("POST", "/api/v1/missions/{mission_id}/corrections"): ADMINS,
    ("GET", "/api/v1/tenants/{tenant_id}/leaderboard"): EVERYBODY,
    ("GET", "/api/v1/tenants/{tenant_id}/leaderboard/export"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/badges"): EVERYBODY,
    ("GET", "/api/v1/tenants/{tenant_id}/challenges/today"): MEMBERS,
    ("GET", "/api/v1/tenants/{tenant_id}/shop"): EVERYBODY,
    ("POST", "/api/v1/tenants/{tenant_id}/shop/purchases"): MEMBERS,
    ("GET", "/api/v1/tenants/{tenant_id}/arcade-settings"): EVERYBODY,
    ("PUT", "/api/v1/tenants/{tenant_id}/arcade-settings"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/datasets"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/datasets"): EVERYBODY,
    ("GET", "/api/v1/datasets/{dataset_id}"): EVERYBODY,
    ("GET", "/api/v1/datasets/{dataset_id}/versions"): EVERYBODY,
    ("GET", "/api/v1/datasets/{dataset_id}/versions/{version_id}/rows"): EVERYBODY,
    # model registry
    ("POST", "/api/v1/models"): ADMINS,
    ("GET", "/api/v1/models/{model_id}"): EVERYBODY,
    ("GET", "/api/v1/tenants/{tenant_id}/models"): EVERYBODY,
    ("POST", "/api/v1/models/{model_id}/evaluations"): MEMBERS,
    ("GET", "/api/v1/models/{model_id}/evaluations"): EVERYBODY,
    ("POST", "/api/v1/models/{model_id}/deploy"): ADMINS,
    ("POST", "/api/v1/models/{model_id}/promote"): ADMINS,
    ("POST", "/api/v1/models/{model_id}/rollback"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/training-jobs"): LEADS,
    ("GET", "/api/v1/tenants/{tenant_id}/training-jobs"): EVERYBODY,
    ("GET", "/api/v1/training-jobs/{job_id}"): EVERYBODY,
    ("POST", "/api/v1/training-jobs/{job_id}/cancel"): LEADS,
    # ai orchestrator
    ("POST", "/api/v1/models/{model_id}/predictions"): MEMBERS,
    # production feedback
    ("POST", "/api/v1/errors"): MEMBERS,
    ("GET", "/api/v1/tenants/{tenant_id}/errors"): EVERYBODY,
    ("GET", "/api/v1/errors/{event_id}"): EVERYBODY,
    # integrations
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints"): ADMINS,
    ("GET", "/api/v1/tenants/{tenant_id}/webhook-endpoints"): ADMINS,
    ("GET", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}"): ADMINS,
    ("PATCH", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}"): ADMINS,
    ("DELETE", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/rotate-secret"): ADMINS,
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/ping"): ADMINS,
    ("GET", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/deliveries"): AUDITORS,
    ("POST", "/api/v1/tenants/{tenant_id}/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay"): ADMINS,
}
