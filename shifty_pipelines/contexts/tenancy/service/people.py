"""Founding and closing the tenant, and its people with their rights."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser, TenantStatus, UserStatus
from shifty_pipelines.contexts.tenancy.errors import LastOwner, OwnRights, RegistrationClosed
from shifty_pipelines.contexts.tenancy.events import TenantDeleted, TenantFounded
from shifty_pipelines.contexts.tenancy.models import Tenant, User
from shifty_pipelines.contexts.tenancy.schemas import UpdateTenant, UpdateUser
from shifty_pipelines.contexts.tenancy.service.base import TenancyUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role


class People(TenancyUseCases):
    """The tenant itself, and who belongs to it."""

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
        return self._insert_user(new, self.passwords.hash(new.password))

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
            # For good: who comes back signs in again and makes new keys.
            self.repository.revoke_sign_ins(user_id, at=user.updated_at)
            self.repository.revoke_api_keys(user_id, at=user.updated_at)
        self.work.audit.record("user.updated", "user", user_id, fields=sorted(changed))
        return user

    def _check_may_change(self, user: User, change: UpdateUser, rights: set[str]) -> None:
        is_self = user.id == self.work.actor.user_id
        if is_self and rights:
            raise OwnRights
        if not is_self:
            self._check_may_reach(Role(user.role))
        if change.role is not None:
            self._check_may_reach(change.role)
