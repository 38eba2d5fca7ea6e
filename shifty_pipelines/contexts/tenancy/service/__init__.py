"""Use cases of tenancy, one file per story: people, sessions, invitations, API keys, attempts to sign in."""

from shifty_pipelines.contexts.tenancy.service.api_keys import ApiKeys
from shifty_pipelines.contexts.tenancy.service.attempts import Attempts
from shifty_pipelines.contexts.tenancy.service.invitations import Invitations
from shifty_pipelines.contexts.tenancy.service.people import People
from shifty_pipelines.contexts.tenancy.service.sessions import Sessions


class TenancyService(People, Sessions, Invitations, ApiKeys, Attempts):
    """The tenant of the unit of work, its people, and their ways in."""
