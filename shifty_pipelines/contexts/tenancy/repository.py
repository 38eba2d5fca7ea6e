"""All SQL of tenancy: the tenant's own rows, and the directory's functions that are called before a tenant is known."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shifty_pipelines.contexts.tenancy.errors import SlugTaken, UserExists
from shifty_pipelines.contexts.tenancy.models import (
    ApiKey,
    Invitation,
    RefreshToken,
    SignIn,
    SignInAttempts,
    Tenant,
    User,
)
from shifty_pipelines.kernel.repository import ScopedRepository
from shifty_pipelines.kernel.tenant import TenantId, UserId


@dataclass(frozen=True, slots=True)
class LoginIdentity:
    """Where an e-mail address signs in."""

    tenant_id: TenantId
    user_id: UserId


def find_login(session: Session, email: str) -> LoginIdentity | None:
    """Who signs in with this address, in an active tenant; asked before any tenant is known."""
    found = session.execute(
        text("SELECT tenant_id, user_id FROM platform.find_login(:email)"), {"email": email}
    ).first()
    return LoginIdentity(TenantId(found.tenant_id), UserId(found.user_id)) if found else None


def find_api_key(session: Session, key_hash: bytes) -> TenantId | None:
    """The active tenant that a live API key belongs to; asked before any tenant is known."""
    found = session.scalar(text("SELECT platform.find_api_key(:hash)"), {"hash": key_hash})
    return TenantId(found) if found else None


def find_refresh(session: Session, token_hash: bytes) -> TenantId | None:
    """The active tenant that a refresh token belongs to, used or not; asked before any tenant is known."""
    found = session.scalar(text("SELECT platform.find_refresh(:hash)"), {"hash": token_hash})
    return TenantId(found) if found else None


class TenancyRepository(ScopedRepository):
    """Tenants, users and sessions of one tenant."""

    def add_tenant(self, tenant: Tenant, *, must_be_first: bool) -> bool:
        """Insert the tenant; False when it had to be the first and is not.

        Raises:
            SlugTaken: another tenant in use has the slug.
        """
        try:
            created = self.session.scalar(
                text("SELECT platform.create_tenant(:tenant_id, :slug, :must_be_first)"),
                {"tenant_id": self.tenant_id, "slug": tenant.slug, "must_be_first": must_be_first},
            )
        except IntegrityError as error:
            raise SlugTaken(tenant.slug) from error
        if created:
            self.session.add(tenant)
            self.session.flush()
        return bool(created)

    def tenant(self, *, lock: bool = False) -> Tenant | None:
        """This tenant's row; locked until the transaction ends if asked."""
        statement = select(Tenant).where(Tenant.tenant_id == self.tenant_id)
        return self.session.scalar(statement.with_for_update() if lock else statement)

    def add_user(self, user: User) -> None:
        """Insert a user.

        Raises:
            UserExists: the address signs in somewhere already.
        """
        try:
            self.add(user)
        except IntegrityError as error:
            raise UserExists from error

    def user(self, user_id: uuid.UUID, *, lock: bool = False) -> User | None:
        """A user by id."""
        return self.find_locked(User, user_id) if lock else self.find(User, user_id)

    def user_held(self, user_id: uuid.UUID) -> User | None:
        """A user by id, kept from changing until the transaction ends; any number may hold them at once."""
        return self.session.scalar(self.scoped(User).where(User.id == user_id).with_for_update(read=True))

    def has_email(self, email: str) -> bool:
        """Whether the address is one of this tenant's own people."""
        return self.session.scalar(self.scoped(User).where(User.email == email)) is not None

    def users(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[User]:
        """Users by age, from the one after `after` on."""
        statement = self.scoped(User).order_by(User.created_at, User.id).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(User.created_at, User.id) > tuple_(*after))
        return self.session.scalars(statement).all()

    def count_users(self) -> int:
        """How many users the tenant has."""
        statement = select(func.count()).select_from(User).where(User.tenant_id == self.tenant_id)
        return self.session.scalar(statement) or 0

    def lock_active_owners(self) -> Sequence[User]:
        """The active owners, locked: two demotions at once wait for each other."""
        statement = self.scoped(User).where(User.role == "owner", User.status == "active").order_by(User.id)
        return self.session.scalars(statement.with_for_update()).all()

    def sign_in_with_user(self, sign_in_id: uuid.UUID) -> tuple[SignIn, User, Tenant] | None:
        """A session with its user and tenant, in one query: asked on every request."""
        row = self.session.execute(
            select(SignIn, User, Tenant)
            .join(User, (User.tenant_id == SignIn.tenant_id) & (User.id == SignIn.user_id))
            .join(Tenant, Tenant.tenant_id == SignIn.tenant_id)
            .where(SignIn.tenant_id == self.tenant_id, SignIn.id == sign_in_id)
        ).first()
        return (row[0], row[1], row[2]) if row else None

    def revoke_sign_ins(self, user_id: uuid.UUID, *, at: datetime, keep: uuid.UUID | None = None) -> None:
        """End every session of one user, but the one to keep."""
        self.session.execute(
            update(SignIn)
            .where(SignIn.tenant_id == self.tenant_id, SignIn.user_id == user_id, SignIn.revoked_at.is_(None))
            .where(SignIn.id != (keep or uuid.UUID(int=0)))
            .values(revoked_at=at)
        )

    def refresh_token_locked(self, token_hash: bytes) -> RefreshToken | None:
        """A refresh token by its hash, locked: of two who use it at once the second finds it used."""
        return self.session.scalar(
            self.scoped(RefreshToken).where(RefreshToken.token_hash == token_hash).with_for_update(),
            execution_options={"populate_existing": True},
        )

    def forget_old_refresh_tokens(self, now: datetime, *, at_most: int) -> None:
        """Delete some expired refresh tokens; those that somebody is at are left for later."""
        old = (
            select(RefreshToken.id)
            .where(RefreshToken.tenant_id == self.tenant_id, RefreshToken.expires_at < now)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
        self.session.execute(
            delete(RefreshToken).where(RefreshToken.tenant_id == self.tenant_id, RefreshToken.id.in_(old))
        )

    def keep_newest_refresh_tokens(self, sign_in_id: uuid.UUID, *, count: int) -> None:
        """Delete the oldest refresh tokens of one session beyond `count`."""
        old = (
            select(RefreshToken.id)
            .where(RefreshToken.tenant_id == self.tenant_id, RefreshToken.sign_in_id == sign_in_id)
            .order_by(RefreshToken.created_at.desc())
            .offset(count)
        )
        self.session.execute(
            delete(RefreshToken).where(RefreshToken.tenant_id == self.tenant_id, RefreshToken.id.in_(old))
        )

    def invitation_locked(self, condition: ColumnElement[bool]) -> Invitation | None:
        """The invitation of a condition, locked: of two who accept it at once the second finds it accepted."""
        return self.session.scalar(
            self.scoped(Invitation).where(condition).with_for_update(), execution_options={"populate_existing": True}
        )

    def invitation_by_secret(self, secret_hash: bytes) -> Invitation | None:
        """The invitation that this link opens, locked."""
        return self.invitation_locked(or_(Invitation.link_hash == secret_hash, Invitation.mailed_hash == secret_hash))

    def invitations(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[Invitation]:
        """Invitations by age, from the one after `after` on."""
        statement = self.scoped(Invitation).order_by(Invitation.created_at, Invitation.id).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(Invitation.created_at, Invitation.id) > tuple_(*after))
        return self.session.scalars(statement).all()

    def open_invitations(self, now: datetime) -> int:
        """How many can be accepted now."""
        return self._count(
            select(func.count())
            .select_from(Invitation)
            .where(Invitation.tenant_id == self.tenant_id, Invitation.expires_at > now)
            .where(Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
        )

    def invitations_to(self, email: str, *, since: datetime) -> int:
        """How many were made to one address since then, open or not."""
        return self._count(
            select(func.count())
            .select_from(Invitation)
            .where(Invitation.tenant_id == self.tenant_id, Invitation.email == email, Invitation.created_at > since)
        )

    def withdraw_invitations(self, email: str, *, at: datetime) -> None:
        """Close what is open for an address: the latest invitation is the one that counts."""
        self.session.execute(
            update(Invitation)
            .where(Invitation.tenant_id == self.tenant_id, Invitation.email == email)
            .where(Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
            .values(revoked_at=at)
        )

    def api_key_with_user(self, key_hash: bytes) -> tuple[ApiKey, User, Tenant] | None:
        """A key with its user and tenant, in one query: asked on every request that comes with a key."""
        row = self.session.execute(
            select(ApiKey, User, Tenant)
            .join(User, (User.tenant_id == ApiKey.tenant_id) & (User.id == ApiKey.user_id))
            .join(Tenant, Tenant.tenant_id == ApiKey.tenant_id)
            .where(ApiKey.tenant_id == self.tenant_id, ApiKey.key_hash == key_hash)
        ).first()
        return (row[0], row[1], row[2]) if row else None

    def api_key(self, key_id: uuid.UUID) -> ApiKey | None:
        """A key by id, locked."""
        return self.find_locked(ApiKey, key_id)

    def api_keys(
        self, *, user_id: uuid.UUID | None, after: tuple[datetime, uuid.UUID] | None, limit: int
    ) -> Sequence[ApiKey]:
        """Keys by age, of one person or of all."""
        statement = self.scoped(ApiKey).order_by(ApiKey.created_at, ApiKey.id).limit(limit)
        if user_id is not None:
            statement = statement.where(ApiKey.user_id == user_id)
        if after is not None:
            statement = statement.where(tuple_(ApiKey.created_at, ApiKey.id) > tuple_(*after))
        return self.session.scalars(statement).all()

    def live_api_keys(self, user_id: uuid.UUID, now: datetime) -> int:
        """How many keys of a person can be used now."""
        return self._count(
            select(func.count())
            .select_from(ApiKey)
            .where(ApiKey.tenant_id == self.tenant_id, ApiKey.user_id == user_id)
            .where(ApiKey.revoked_at.is_(None), ApiKey.expires_at > now)
        )

    def revoke_api_keys(self, user_id: uuid.UUID, *, at: datetime) -> None:
        """End every key of one user."""
        self.session.execute(
            update(ApiKey)
            .where(ApiKey.tenant_id == self.tenant_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=at)
        )

    def attempts_locked(self, key: bytes, *, expires_at: datetime) -> SignInAttempts:
        """The counter of one key, made if there is none, locked until the transaction ends."""
        new = insert(SignInAttempts).values(tenant_id=self.tenant_id, key=key, failures=0, expires_at=expires_at)
        self.session.execute(new.on_conflict_do_nothing())
        return self.session.scalars(
            select(SignInAttempts)
            .where(SignInAttempts.tenant_id == self.tenant_id, SignInAttempts.key == key)
            .with_for_update(),
            execution_options={"populate_existing": True},
        ).one()

    def forget_attempts(self, key: bytes) -> None:
        """Delete the counter of one key."""
        self.session.execute(
            delete(SignInAttempts).where(SignInAttempts.tenant_id == self.tenant_id, SignInAttempts.key == key)
        )

    def forget_old_attempts(self, now: datetime, *, at_most: int) -> None:
        """Delete some expired counters; those that somebody is at are left for later."""
        old = (
            select(SignInAttempts.key)
            .where(SignInAttempts.tenant_id == self.tenant_id, SignInAttempts.expires_at < now)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
        self.session.execute(
            delete(SignInAttempts).where(SignInAttempts.tenant_id == self.tenant_id, SignInAttempts.key.in_(old))
        )

    def _count(self, statement: Select[int]) -> int:
        return self.session.scalar(statement) or 0
