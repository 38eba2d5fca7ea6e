"""Sessions: opened by a password, renewed by refresh tokens that are used once, ended by many things."""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from shifty_pipelines.contexts.tenancy.domain import (
    MAX_REFRESH_TOKENS_PER_SESSION,
    REFRESH_GRACE,
    SessionLifetimes,
    secret_hash,
)
from shifty_pipelines.contexts.tenancy.errors import (
    InvalidCredentials,
    InvalidToken,
    RefreshSuperseded,
    WrongPassword,
)
from shifty_pipelines.contexts.tenancy.models import RefreshToken, SignIn, Tenant, User
from shifty_pipelines.contexts.tenancy.ports import Claims
from shifty_pipelines.contexts.tenancy.service.base import Authenticated, TenancyUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId

#: Expired refresh tokens deleted with every new one, so that the table cannot grow without end.
SWEPT_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session as its holder gets it: what the token says, and the refresh token, which is shown this once."""

    user: User
    claims: Claims
    refresh_token: str = field(repr=False)
    ends_at: datetime


class Sessions(TenancyUseCases):
    """Who is signed in."""

    def sign_in(self, user_id: UserId, password: str, *, lifetimes: SessionLifetimes) -> OpenSession:
        """Check the password and open a session.

        Where there is no such user a decoy is checked, so that the answer takes as long as for a wrong password.

        Raises:
            InvalidCredentials: no such user, wrong password, or the user is not active.
        """
        # Held until the session is there: a change of password or status either ends it or is seen here.
        user = self.repository.user_held(user_id)
        matches = self.passwords.matches(user.password_hash if user else self.passwords.decoy_hash(), password)
        if user is None or not matches or user.status != "active":
            raise InvalidCredentials
        return self.open_session(user, lifetimes=lifetimes)

    def open_session(self, user: User, *, lifetimes: SessionLifetimes) -> OpenSession:
        """A session of a user whose identity was just proven."""
        now = self.work.clock.now()
        sign_in = SignIn(
            tenant_id=user.tenant_id,
            id=self.work.ids.new(),
            user_id=user.id,
            created_at=now,
            expires_at=now + lifetimes.session,
        )
        self.repository.add(sign_in)
        self.work.audit.record("session.opened", "user", user.id)
        return self._continue(sign_in, user, lifetimes)

    def refresh(
        self, refresh_token: str, *, lifetimes: SessionLifetimes
    ) -> OpenSession | InvalidToken | RefreshSuperseded:
        """The session with a new token and a new refresh token, or the refusal.

        The caller raises it once the transaction is committed: a token that comes again ends its session. The end of
        the session stays where it was when its person signed in.
        """
        token = self.repository.refresh_token_locked(secret_hash(refresh_token))
        found = self.repository.sign_in_with_user(token.sign_in_id) if token else None
        if token is None or found is None or not self._is_alive(*found):
            return InvalidToken("Invalid or expired refresh token")
        sign_in, user, _ = found
        now = self.work.clock.now()
        if token.used_at is not None:
            return self._used_again(sign_in, since=token.used_at)
        token.used_at = now
        self.work.audit.record("session.refreshed", "user", user.id)
        return self._continue(sign_in, user, lifetimes)

    def authenticate(self, claims: Claims) -> Authenticated:
        """The caller behind a token, by the rows as they are now.

        Raises:
            InvalidToken: logged out, expired, or user or tenant no longer active.
        """
        found = self.repository.sign_in_with_user(claims.session_id)
        if found is None or not self._is_alive(*found) or found[1].id != claims.user_id:
            raise InvalidToken
        sign_in, user, _ = found
        return Authenticated(actor_of(user), user, sign_in.id)

    def sign_out(self, sign_in_id: uuid.UUID) -> None:
        """End one session; its tokens, of either kind, are refused from now on."""
        found = self.repository.sign_in_with_user(sign_in_id)
        if found is not None and found[0].revoked_at is None:
            found[0].revoked_at = self.work.clock.now()
            self.work.audit.record("session.closed", "user", found[1].id)

    def change_password(self, present: str, new: str, *, sign_in_id: uuid.UUID) -> None:
        """Change one's own password and end one's other sessions.

        Raises:
            WrongPassword: the present password is another one.
        """
        user = self.repository.user(self.work.actor.user_id or uuid.UUID(int=0), lock=True)
        if user is None:
            raise NotFound("User")
        if not self.passwords.matches(user.password_hash, present):
            raise WrongPassword
        self._set_password(user, new, keep=sign_in_id)

    def set_password(self, user_id: uuid.UUID, new: str) -> User:
        """Set somebody's password, as the operator of the machine may; all their sessions end."""
        user = self.repository.user(user_id, lock=True)
        if user is None:
            raise NotFound("User")
        self._set_password(user, new, keep=None)
        return user

    def _set_password(self, user: User, new: str, *, keep: uuid.UUID | None) -> None:
        user.password_hash = self.passwords.hash(new)
        user.updated_at = self.work.clock.now()
        self.repository.revoke_sign_ins(user.id, at=user.updated_at, keep=keep)
        self.work.audit.record("user.password_changed", "user", user.id)

    def _used_again(self, sign_in: SignIn, *, since: datetime) -> InvalidToken | RefreshSuperseded:
        """A used refresh token came again: soon after, it gets nothing; later, it is a copy, and the session ends."""
        now = self.work.clock.now()
        if now - since <= REFRESH_GRACE:
            return RefreshSuperseded()
        sign_in.revoked_at = now
        self.work.audit.record("session.refresh_reused", "user", sign_in.user_id, session_id=str(sign_in.id))
        return InvalidToken("This refresh token was used before, so its session was ended")

    def _continue(self, sign_in: SignIn, user: User, lifetimes: SessionLifetimes) -> OpenSession:
        now = self.work.clock.now()
        secret = f"refresh_{secrets.token_urlsafe(32)}"
        self.repository.add(
            RefreshToken(
                tenant_id=user.tenant_id,
                id=self.work.ids.new(),
                sign_in_id=sign_in.id,
                token_hash=secret_hash(secret),
                created_at=now,
                expires_at=sign_in.expires_at,
            )
        )
        self.repository.keep_newest_refresh_tokens(sign_in.id, count=MAX_REFRESH_TOKENS_PER_SESSION)
        self.repository.forget_old_refresh_tokens(now, at_most=SWEPT_AT_ONCE)
        claims = Claims(
            user_id=UserId(user.id),
            tenant_id=TenantId(user.tenant_id),
            session_id=sign_in.id,
            role=Role(user.role),
            email=user.email,
            issued_at=now,
            expires_at=min(now + lifetimes.token, sign_in.expires_at),
        )
        return OpenSession(user=user, claims=claims, refresh_token=secret, ends_at=sign_in.expires_at)

    def _is_alive(self, sign_in: SignIn, user: User, tenant: Tenant) -> bool:
        is_open = sign_in.revoked_at is None and sign_in.expires_at > self.work.clock.now()
        return is_open and user.status == "active" and tenant.status == "active"


def actor_of(user: User, *, api_key_id: uuid.UUID | None = None) -> Actor:
    """The person as a caller, with the rights that their row gives them now."""
    return Actor(
        tenant_id=TenantId(user.tenant_id),
        user_id=UserId(user.id),
        role=Role(user.role),
        grants=frozenset(user.grants),
        api_key_id=api_key_id,
    )
