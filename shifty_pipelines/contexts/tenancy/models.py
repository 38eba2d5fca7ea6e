"""Tables of tenancy. The directory in schema platform follows them by trigger."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shifty_pipelines.contexts.tenancy.domain import InvitationStatus
from shifty_pipelines.kernel.db import Base, TenantRow


class Tenant(Base):
    """One customer organisation."""

    __tablename__ = "tenants"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]
    plan: Mapped[str]
    region: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class User(TenantRow):
    """One person of one tenant."""

    __tablename__ = "users"

    email: Mapped[str]
    password_hash: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    role: Mapped[str]
    grants: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    status: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SignIn(TenantRow):
    """One session: what a token's `jti` names, and the family of its refresh tokens; logging out revokes it."""

    __tablename__ = "sign_ins"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[uuid.UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RefreshToken(TenantRow):
    """One refresh token of a session, by its hash; using it makes the next one."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "sign_in_id"], ["sign_ins.tenant_id", "sign_ins.id"]),)

    sign_in_id: Mapped[uuid.UUID]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Invitation(TenantRow):
    """A place in the tenant for whoever holds the link; the link's secret is kept as a hash only.

    The link that the inviter was shown and the one that was mailed have secrets of their own, so neither has to be kept
    until the other is made. Either can be used, once.
    """

    __tablename__ = "invitations"

    email: Mapped[str]
    role: Mapped[str]
    grants: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    invited_by: Mapped[uuid.UUID | None]
    link_hash: Mapped[bytes]
    mailed_hash: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mailed_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[uuid.UUID | None]
    revoked_at: Mapped[datetime | None]

    def status(self, now: datetime) -> InvitationStatus:
        """Where it stands."""
        if self.accepted_at is not None:
            return InvitationStatus.ACCEPTED
        if self.revoked_at is not None:
            return InvitationStatus.REVOKED
        return InvitationStatus.PENDING if self.expires_at > now else InvitationStatus.EXPIRED


class ApiKey(TenantRow):
    """A key that acts for one person within its scopes; kept as a hash, `prefix` says which one it is."""

    __tablename__ = "api_keys"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[uuid.UUID]
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInAttempts(Base):
    """Failures of one client address, alone or with one account; `key` is an HMAC of them. Rows expire."""

    __tablename__ = "sign_in_attempts"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    blocked_until: Mapped[datetime | None]
    expires_at: Mapped[datetime]
