"""Use cases of tenancy inside one tenant: founding, users and their rights, sessions."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shifty_pipelines.contexts.tenancy.domain import (
    NewTenant,
    NewUser,
    TenantStatus,
    UserStatus,
    may_change,
    normal_email,
)
from shifty_pipelines.contexts.tenancy.errors import (
    AboveOwnRole,
    InvalidCredentials,
    InvalidToken,
    LastOwner,
    OwnRights,
    RegistrationClosed,
)
from shifty_pipelines.contexts.tenancy.events import TenantDeleted, TenantFounded
from shifty_pipelines.contexts.tenancy.models import SignIn, Tenant, User
from shifty_pipelines.contexts.tenancy.ports import Claims, PasswordHasher
from shifty_pipelines.contexts.tenancy.repository import TenancyRepository
from shifty_pipelines.contexts.tenancy.schemas import UpdateTenant, UpdateUser
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId
from shifty_pipelines.kernel.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A caller whose token, session, user and tenant are all in order."""

    actor: Actor
    user: User
    sign_in_id: uuid.UUID


class TenancyService:
    """Tenants, users and sessions of the unit of work's tenant."""

    def __init__(self, work: UnitOfWork, passwords: PasswordHasher) -> None:
        self.work = work
        self.passwords = passwords
        self.repository = TenancyRepository(work.scope)

    def found(self, new: NewTenant, *, must_be_first: bool = False) -> Tenant:
        """Create this unit of work's tenant.

        Raises:
            SlugTaken: another tenant in use has the slug.
            RegistrationClosed: it had to be the first tenant and is not.
        """
        now = self.work.clock.now()
        tenant = Tenant(
            tenant_id=self.work.tenant_id,
            name=new.name,
            slug=new.slug,
            plan=new.plan.value,
            region=new.region.value,
            status=TenantStatus.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        if not self.repository.add_tenant(tenant, must_be_first=must_be_first):
            raise RegistrationClosed
        self.work.audit.record("tenant.founded", "tenant", self.work.tenant_id, slug=new.slug)
        self.work.outbox.publish(TenantFounded(owner_id=self.work.actor.user_id))
        return tenant

    def tenant(self) -> Tenant:
        """The tenant; one that was deleted is not found."""
        tenant = self.repository.tenant()
        if tenant is None or tenant.status == TenantStatus.DELETED:
            raise NotFound("Tenant")
        return tenant

    def update_tenant(self, change: UpdateTenant) -> Tenant:
        """Change name, plan or region."""
        tenant = self._tenant_locked()
        changed = change.model_dump(exclude_none=True, mode="json", by_alias=False)
        for field, value in changed.items():
            setattr(tenant, field, value)
        tenant.updated_at = self.work.clock.now()
        self.work.audit.record("tenant.updated", "tenant", self.work.tenant_id, fields=sorted(changed))
        return tenant

    def delete_tenant(self) -> None:
        """Close the tenant: its slug and addresses are free, its sessions end, every row stays as evidence."""
        tenant = self._tenant_locked()
        tenant.status = TenantStatus.DELETED.value
        tenant.updated_at = self.work.clock.now()
        self.work.audit.record("tenant.deleted", "tenant", self.work.tenant_id, slug=tenant.slug)
        self.work.outbox.publish(TenantDeleted())

    def count_users(self) -> int:
        """How many users the tenant has."""
        return self.repository.count_users()

    def add_user(self, new: NewUser) -> User:
        """Add a person to the tenant.

        Raises:
            UserExists: the address signs in somewhere already.
        """
        now = self.work.clock.now()
        user = User(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            email=normal_email(new.email),
            password_hash=self.passwords.hash(new.password),
            first_name=new.first_name,
            last_name=new.last_name,
            role=new.role.value,
            grants=[],
            status=UserStatus.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        self.repository.add_user(user)
        self.work.audit.record("user.added", "user", user.id, role=user.role)
        return user

    def user(self, user_id: uuid.UUID) -> User:
        """A user of this tenant."""
        user = self.repository.user(user_id)
        if user is None:
            raise NotFound("User")
        return user

    def users(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[User]:
        """Users by age."""
        return self.repository.users(after=after, limit=limit)

    def update_user(self, user_id: uuid.UUID, change: UpdateUser) -> User:
        """Change a user's name, role, grants or status.

        Anybody may change their own name; rights are changed by owners and admins, never one's own, never above one's
        own role, and never the last active owner's away.
        """
        changed = change.model_dump(exclude_none=True, mode="json", by_alias=False)
        owners = self.repository.lock_active_owners()
        user = self.repository.user(user_id, lock=True)
        if user is None:
            raise NotFound("User")
        self._check_may_change(user, change, {"role", "grants", "status"} & changed.keys())
        keeps_owner = changed.get("role", user.role) == Role.OWNER and changed.get("status", user.status) == "active"
        if [owner.id for owner in owners] == [user_id] and not keeps_owner:
            raise LastOwner
        for field, value in changed.items():
            setattr(user, field, value)
        user.updated_at = self.work.clock.now()
        if user.status != UserStatus.ACTIVE:
            self.repository.revoke_sign_ins(user_id, at=self.work.clock.now())
        self.work.audit.record("user.updated", "user", user_id, fields=sorted(changed))
        return user

    def sign_in(self, user_id: UserId, password: str, *, ttl: timedelta) -> tuple[User, Claims]:
        """Check the password and open a session.

        Raises:
            InvalidCredentials: wrong password, or the user is not active.
        """
        user = self.repository.user(user_id)
        if user is None or not self.passwords.matches(user.password_hash, password) or user.status != "active":
            raise InvalidCredentials
        return user, self.open_session(user, ttl=ttl)

    def open_session(self, user: User, *, ttl: timedelta) -> Claims:
        """A session of a user whose identity was just proven; returns what its token says."""
        now = self.work.clock.now()
        sign_in = SignIn(
            tenant_id=user.tenant_id, id=self.work.ids.new(), user_id=user.id, created_at=now, expires_at=now + ttl
        )
        self.repository.add(sign_in)
        self.work.audit.record("session.opened", "user", user.id)
        return Claims(
            user_id=UserId(user.id),
            tenant_id=TenantId(user.tenant_id),
            session_id=sign_in.id,
            role=Role(user.role),
            email=user.email,
            issued_at=now,
            expires_at=now + ttl,
        )

    def authenticate(self, claims: Claims) -> Authenticated:
        """The caller behind a token, by the rows as they are now.

        Raises:
            InvalidToken: logged out, expired, or user or tenant no longer active.
        """
        found = self.repository.sign_in_with_user(claims.session_id)
        if found is None:
            raise InvalidToken
        sign_in, user, tenant = found
        alive = sign_in.revoked_at is None and sign_in.expires_at > self.work.clock.now()
        if not alive or user.id != claims.user_id or user.status != "active" or tenant.status != "active":
            raise InvalidToken
        actor = Actor(
            tenant_id=TenantId(user.tenant_id),
            user_id=UserId(user.id),
            role=Role(user.role),
            grants=frozenset(user.grants),
        )
        return Authenticated(actor, user, sign_in.id)

    def sign_out(self, sign_in_id: uuid.UUID) -> None:
        """Revoke one session; its token is refused from now on."""
        found = self.repository.sign_in_with_user(sign_in_id)
        if found is not None and found[0].revoked_at is None:
            found[0].revoked_at = self.work.clock.now()
            self.work.audit.record("session.closed", "user", found[1].id)

    def _tenant_locked(self) -> Tenant:
        tenant = self.repository.tenant(lock=True)
        if tenant is None or tenant.status == TenantStatus.DELETED:
            raise NotFound("Tenant")
        return tenant

    def _check_may_change(self, user: User, change: UpdateUser, rights: set[str]) -> None:
        actor = self.work.actor
        is_self = user.id == actor.user_id
        if is_self and rights:
            raise OwnRights
        if not is_self and not (actor.is_lead() and may_change(actor.role, Role(user.role))):
            raise AboveOwnRole(actor.role, max(Role.ADMIN, Role(user.role)))
        if change.role is not None and not may_change(actor.role, change.role):
            raise AboveOwnRole(actor.role, change.role)
