"""Tables of tenancy. `platform.tenants` and `platform.login_identities` follow them by trigger."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

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
    """One session: what a token's `jti` names; logging out revokes it."""

    __tablename__ = "sign_ins"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[uuid.UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
