"""How a caller gets in: registering a tenant, signing in, and proving a token; all before a tenant is known."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser, normal_email
from shifty_pipelines.contexts.tenancy.errors import InvalidCredentials, InvalidToken
from shifty_pipelines.contexts.tenancy.models import Tenant, User
from shifty_pipelines.contexts.tenancy.ports import PasswordHasher, Tokens
from shifty_pipelines.contexts.tenancy.repository import LoginIdentity
from shifty_pipelines.contexts.tenancy.service import Authenticated
from shifty_pipelines.kernel.tenant import Actor, TenantId, system_actor
from shifty_pipelines.services import Services


class Entrance(Protocol):
    """What these flows need of the platform."""

    @property
    def passwords(self) -> PasswordHasher:
        """Hashes and checks passwords."""
        ...

    @property
    def decoy_hash(self) -> str:
        """Checked when the address is unknown, so that the answer takes as long as for a wrong password."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Signs and reads bearer tokens."""
        ...

    @property
    def token_ttl(self) -> timedelta:
        """How long a session lasts."""
        ...

    def find_login(self, email: str) -> LoginIdentity | None:
        """Who signs in with this address."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...

    def new_tenant_id(self) -> TenantId:
        """An id for a tenant to come."""
        ...


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A user and the token of their new session."""

    user: User
    token: str


@dataclass(frozen=True, slots=True)
class FoundedTenant:
    """A new tenant, and its first user if one was named."""

    tenant: Tenant
    user: User | None


def found_tenant(
    entrance: Entrance, new: NewTenant, first_user: NewUser | None, *, must_be_first: bool = False
) -> FoundedTenant:
    """Create a tenant with the user it names, in one transaction."""
    with entrance.open(system_actor(entrance.new_tenant_id())) as services:
        tenant = services.tenancy.found(new, must_be_first=must_be_first)
        user = services.tenancy.add_user(first_user) if first_user else None
        return FoundedTenant(tenant, user)


def register(entrance: Entrance, new: NewTenant, owner: NewUser, *, must_be_first: bool) -> tuple[SignedInUser, Tenant]:
    """Create a tenant and its owner, and sign the owner in."""
    with entrance.open(system_actor(entrance.new_tenant_id())) as services:
        tenant = services.tenancy.found(new, must_be_first=must_be_first)
        user = services.tenancy.add_user(owner)
        claims = services.tenancy.open_session(user, ttl=entrance.token_ttl)
        return SignedInUser(user, entrance.tokens.issue(claims)), tenant


def sign_in(entrance: Entrance, email: str, password: str) -> SignedInUser:
    """Open a session for an e-mail address and its password.

    Raises:
        InvalidCredentials: they do not belong together, or the account is not active.
    """
    identity = entrance.find_login(normal_email(email))
    if identity is None:
        entrance.passwords.matches(entrance.decoy_hash, password)
        raise InvalidCredentials
    with entrance.open(system_actor(identity.tenant_id)) as services:
        user, claims = services.tenancy.sign_in(identity.user_id, password, ttl=entrance.token_ttl)
        return SignedInUser(user, entrance.tokens.issue(claims))


def authenticate(entrance: Entrance, token: str) -> Authenticated:
    """The caller behind a bearer token, by the rows as they are now.

    Raises:
        InvalidToken: not ours, expired, logged out, or user or tenant no longer active.
    """
    claims = entrance.tokens.read(token)
    if claims is None:
        raise InvalidToken
    with entrance.open(system_actor(claims.tenant_id)) as services:
        return services.tenancy.authenticate(claims)
