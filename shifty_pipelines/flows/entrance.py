"""How a caller gets in: registering a tenant, signing in, refreshing, and proving a token or key."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shifty_pipelines.contexts.tenancy.domain import (
    API_KEY_PREFIX,
    NewTenant,
    NewUser,
    SessionLifetimes,
    normal_email,
    secret_hash,
)
from shifty_pipelines.contexts.tenancy.errors import InvalidToken, RefreshSuperseded
from shifty_pipelines.contexts.tenancy.models import Tenant, User
from shifty_pipelines.contexts.tenancy.ports import PasswordHasher, Tokens
from shifty_pipelines.contexts.tenancy.repository import LoginIdentity
from shifty_pipelines.contexts.tenancy.service.base import Authenticated
from shifty_pipelines.contexts.tenancy.service.sessions import OpenSession
from shifty_pipelines.flows.attempts import counted_attempt
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import SYSTEM_TENANT, Actor, TenantId, UserId, system_actor
from shifty_pipelines.services import Services


class Entrance(Protocol):
    """What these flows need of the platform."""

    @property
    def passwords(self) -> PasswordHasher:
        """Hashes and checks passwords."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Signs and reads bearer tokens."""
        ...

    @property
    def lifetimes(self) -> SessionLifetimes:
        """How long tokens and sessions last."""
        ...

    @property
    def pseudonyms(self) -> TenantHmac:
        """Digests that stand for addresses."""
        ...

    def find_login(self, email: str) -> LoginIdentity | None:
        """Who signs in with this address."""
        ...

    def find_refresh(self, token_hash: bytes) -> TenantId | None:
        """Whose refresh token this is."""
        ...

    def find_api_key(self, key_hash: bytes) -> TenantId | None:
        """Whose API key this is."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...

    def new_tenant_id(self) -> TenantId:
        """An id for a tenant to come."""
        ...


#: Where an unknown address is looked for: a user that is not, in the tenant that has none.
NOBODY = LoginIdentity(SYSTEM_TENANT, UserId(SYSTEM_TENANT))


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A user and their session: its token, and what renews it."""

    user: User
    token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    session_expires_at: datetime


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
        session = services.tenancy.open_session(user, lifetimes=entrance.lifetimes)
    return signed_in(entrance, session), tenant


def sign_in(entrance: Entrance, email: str, password: str, *, client_address: str) -> SignedInUser:
    """Open a session for an e-mail address and its password.

    An unknown address walks the same way through the same statements, in the system tenant, which has no users.

    Raises:
        InvalidCredentials: they do not belong together, or the account is not active.
        TooManyAttempts: too many wrong passwords came from this client.
    """
    account = normal_email(email)
    with counted_attempt(entrance, account=account, client_address=client_address):
        identity = entrance.find_login(account) or NOBODY
        with entrance.open(system_actor(identity.tenant_id)) as services:
            session = services.tenancy.sign_in(identity.user_id, password, lifetimes=entrance.lifetimes)
    return signed_in(entrance, session)


def refresh(entrance: Entrance, refresh_token: str) -> SignedInUser:
    """The session that a refresh token renews, with a new token and a new refresh token.

    Raises:
        RefreshSuperseded: it was used a moment ago.
        InvalidToken: unknown, expired, ended, or used before, which ends the session.
    """
    tenant_id = entrance.find_refresh(secret_hash(refresh_token))
    if tenant_id is None:
        raise InvalidToken("Invalid or expired refresh token")
    with entrance.open(system_actor(tenant_id)) as services:
        outcome = services.tenancy.refresh(refresh_token, lifetimes=entrance.lifetimes)
    # Only now: that a copy ended its session must be committed.
    if isinstance(outcome, InvalidToken | RefreshSuperseded):
        raise outcome
    return signed_in(entrance, outcome)


def change_password(entrance: Entrance, caller: Authenticated, present: str, new: str, *, client_address: str) -> None:
    """Change the caller's own password; wrong present ones are counted like wrong ones at the door.

    Raises:
        WrongPassword: the present password is another one.
        TooManyAttempts: too many wrong passwords came from this client.
        InvalidToken: the caller has no session but a key.
    """
    if caller.sign_in_id is None:
        raise InvalidToken
    with (
        counted_attempt(entrance, account=caller.user.email, client_address=client_address),
        entrance.open(caller.actor) as services,
    ):
        services.tenancy.change_password(present, new, sign_in_id=caller.sign_in_id)


def authenticate(entrance: Entrance, token: str) -> Authenticated:
    """The caller behind a bearer token or an API key, by the rows as they are now.

    Raises:
        InvalidToken: not ours, expired, ended, or user or tenant no longer active.
    """
    if token.startswith(API_KEY_PREFIX):
        return _authenticate_key(entrance, token)
    claims = entrance.tokens.read(token)
    if claims is None:
        raise InvalidToken
    with entrance.open(system_actor(claims.tenant_id)) as services:
        return services.tenancy.authenticate(claims)


def signed_in(entrance: Entrance, session: OpenSession) -> SignedInUser:
    """A session as its holder gets it, with the token signed."""
    return SignedInUser(
        user=session.user,
        token=entrance.tokens.issue(session.claims),
        refresh_token=session.refresh_token,
        expires_at=session.claims.expires_at,
        session_expires_at=session.ends_at,
    )


def _authenticate_key(entrance: Entrance, key: str) -> Authenticated:
    tenant_id = entrance.find_api_key(secret_hash(key))
    if tenant_id is None:
        raise InvalidToken
    with entrance.open(system_actor(tenant_id)) as services:
        return services.tenancy.authenticate_key(key)
