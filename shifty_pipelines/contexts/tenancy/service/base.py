"""What every story of tenancy needs: the repository, the tenant, users by id, and who may change whom."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from shifty_pipelines.contexts.tenancy.domain import NewUser, Scope, TenantStatus, UserStatus, may_change, normal_email
from shifty_pipelines.contexts.tenancy.errors import AboveOwnRole
from shifty_pipelines.contexts.tenancy.models import Tenant, User
from shifty_pipelines.contexts.tenancy.ports import PasswordHasher
from shifty_pipelines.contexts.tenancy.repository import TenancyRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Actor, Role
from shifty_pipelines.kernel.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A caller whose token or key, user and tenant are all in order.

    Attributes:
        sign_in_id: the session; None for a key.
        scopes: what the key was made for; None for a session, which is bound by nothing but the person's rights.
    """

    actor: Actor
    user: User
    sign_in_id: uuid.UUID | None
    scopes: frozenset[Scope] | None = None


class TenancyUseCases:
    """Shared by the stories; holds no state but the unit of work's."""

    def __init__(self, work: UnitOfWork, passwords: PasswordHasher) -> None:
        self.work = work
        self.passwords = passwords
        self.repository = TenancyRepository(work.scope)

    def user(self, user_id: uuid.UUID) -> User:
        """A user of this tenant."""
        user = self.repository.user(user_id)
        if user is None:
            raise NotFound("User")
        return user

    def _tenant_locked(self) -> Tenant:
        tenant = self.repository.tenant(lock=True)
        if tenant is None or tenant.status == TenantStatus.DELETED:
            raise NotFound("Tenant")
        return tenant

    def _insert_user(self, new: NewUser, password_hash: str) -> User:
        now = self.work.clock.now()
        user = User(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            email=normal_email(new.email),
            password_hash=password_hash,
            first_name=new.first_name,
            last_name=new.last_name,
            role=new.role.value,
            grants=sorted(new.grants),
            status=UserStatus.ACTIVE.value,
            created_at=now,
            updated_at=now,
        )
        self.repository.add_user(user)
        self.work.audit.record("user.added", "user", user.id, role=user.role)
        return user

    def _check_may_reach(self, *roles: Role) -> None:
        """Refuse anybody but a lead whose own role is at least as high as these."""
        check_may_reach(self.work.actor, roles)


def check_may_reach(actor: Actor, roles: Iterable[Role]) -> None:
    """Refuse anybody but a lead whose own role is at least as high as these.

    Raises:
        AboveOwnRole: names the role it would take.
    """
    for role in roles:
        if not (actor.is_lead() and may_change(actor.role, role)):
            raise AboveOwnRole(actor.role, role if actor.is_lead() else Role.ADMIN)
