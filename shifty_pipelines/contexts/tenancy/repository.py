"""All SQL of tenancy: the tenant's own rows, and the directory's functions that are called before a tenant is known."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shifty_pipelines.contexts.tenancy.errors import SlugTaken, UserExists
from shifty_pipelines.contexts.tenancy.models import SignIn, Tenant, User
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

    def revoke_sign_ins(self, user_id: uuid.UUID, *, at: datetime) -> None:
        """End every session of one user."""
        self.session.execute(
            update(SignIn)
            .where(SignIn.tenant_id == self.tenant_id, SignIn.user_id == user_id, SignIn.revoked_at.is_(None))
            .values(revoked_at=at)
        )
