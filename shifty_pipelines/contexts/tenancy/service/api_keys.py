"""API keys: a person's rights for programs, narrowed by scopes, for a while; shown once, kept as a hash."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shifty_pipelines.contexts.tenancy.domain import (
    API_KEY_PREFIX,
    LAST_USED_EVERY,
    MAX_LIVE_API_KEYS,
    NewApiKey,
    Scope,
    secret_hash,
)
from shifty_pipelines.contexts.tenancy.errors import InvalidToken, ScopeAboveOwnRights, TooManyPending
from shifty_pipelines.contexts.tenancy.models import ApiKey
from shifty_pipelines.contexts.tenancy.service.base import Authenticated, TenancyUseCases
from shifty_pipelines.contexts.tenancy.service.sessions import actor_of
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role

PREFIX_CHARS = 12


@dataclass(frozen=True, slots=True)
class MadeApiKey:
    """A new key, and its secret, which is shown this once."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeys(TenancyUseCases):
    """Keys of the tenant's people."""

    def create_api_key(self, user_id: uuid.UUID, new: NewApiKey, *, allowed: frozenset[Scope]) -> MadeApiKey:
        """Make a key that acts for a person; `allowed` are the scopes that open at least one route to them.

        Raises:
            ScopeAboveOwnRights: a scope that is not allowed.
            TooManyPending: the person has as many keys as anybody may.
        """
        user = self.repository.user(user_id, lock=True)  # two at once: the second counts the first's key
        if user is None or user.status != "active":
            raise NotFound("User")
        if beyond := sorted(new.scopes - allowed):
            raise ScopeAboveOwnRights(list(beyond))
        now, key_id = self.work.clock.now(), self.work.ids.new()
        if self.repository.live_api_keys(user_id, now) >= MAX_LIVE_API_KEYS:
            raise TooManyPending("keys of this person", MAX_LIVE_API_KEYS)
        prefix = f"{API_KEY_PREFIX}{key_id.hex[:PREFIX_CHARS]}"
        secret = f"{prefix}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            tenant_id=self.work.tenant_id,
            id=key_id,
            user_id=user_id,
            name=new.name,
            prefix=prefix,
            key_hash=secret_hash(secret),
            scopes=sorted(new.scopes),
            created_at=now,
            expires_at=now + new.lifetime,
        )
        self.repository.add(key)
        self.work.audit.record("api_key.created", "api_key", key.id, user_id=str(user_id), scopes=key.scopes)
        return MadeApiKey(key, secret)

    def api_key(self, key_id: uuid.UUID) -> ApiKey:
        """A key by id that the caller may see: one's own, or for owners and admins anybody's."""
        key = self.repository.api_key(key_id)
        actor = self.work.actor
        if key is None or not (actor.is_lead() or key.user_id == actor.user_id):
            raise NotFound("API key")
        return key

    def api_keys(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[ApiKey]:
        """Keys by age: one's own, or for owners and admins everybody's."""
        actor = self.work.actor
        return self.repository.api_keys(user_id=None if actor.is_lead() else actor.user_id, after=after, limit=limit)

    def revoke_api_key(self, key_id: uuid.UUID) -> None:
        """End a key that the caller may see; revoking it again changes nothing.

        Raises:
            NotFound: none by that id, or a stranger's.
            AboveOwnRole: it acts for a person above the caller.
        """
        key = self.api_key(key_id)
        if key.user_id != self.work.actor.user_id:
            self._check_may_reach(Role(self.user(key.user_id).role))
        if key.revoked_at is None:
            key.revoked_at = self.work.clock.now()
            self.work.audit.record("api_key.revoked", "api_key", key.id)

    def authenticate_key(self, secret: str) -> Authenticated:
        """The caller behind a key, by the rows as they are now.

        Raises:
            InvalidToken: unknown, expired, revoked, or user or tenant no longer active.
        """
        found = self.repository.api_key_with_user(secret_hash(secret))
        if found is None:
            raise InvalidToken
        key, user, tenant = found
        now = self.work.clock.now()
        is_live = key.revoked_at is None and key.expires_at > now
        if not is_live or user.status != "active" or tenant.status != "active":
            raise InvalidToken
        if key.last_used_at is None or now - key.last_used_at >= LAST_USED_EVERY:
            key.last_used_at = now
        scopes = frozenset(Scope(scope) for scope in key.scopes)
        return Authenticated(actor_of(user, api_key_id=key.id), user, None, scopes)
