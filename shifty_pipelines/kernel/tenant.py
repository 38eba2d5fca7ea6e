"""Who is asking, and inside which tenant: the two values every operation needs."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

TenantId = NewType("TenantId", uuid.UUID)
UserId = NewType("UserId", uuid.UUID)

#: Owns what belongs to no tenant: refusals of callers who proved no identity (CONTRACTS 1).
SYSTEM_TENANT = TenantId(uuid.UUID(int=0))


class Role(StrEnum):
    """The four roles of the token; finer duties are grants beside them."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The authenticated caller: a person, or the platform itself when `user_id` is None."""

    tenant_id: TenantId
    user_id: UserId | None
    role: Role
    grants: frozenset[str] = frozenset()
    #: The API key that the person's rights are used through; None for a session.
    api_key_id: uuid.UUID | None = None

    def is_lead(self) -> bool:
        """Owner and admin may act for other members (audited)."""
        return self.role in (Role.OWNER, Role.ADMIN)


def system_actor(tenant_id: TenantId) -> Actor:
    """The platform acting on its own behalf inside one tenant: dispatcher, sensors, migrations of data."""
    return Actor(tenant_id=tenant_id, user_id=None, role=Role.OWNER)
