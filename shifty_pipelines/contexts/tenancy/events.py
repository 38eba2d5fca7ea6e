"""What happened in tenancy."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFounded(Event):
    """A tenant exists and has its first owner."""

    type: ClassVar[str] = "tenancy.tenant_founded"
    owner_id: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDeleted(Event):
    """A tenant was closed; its evidence stays."""

    type: ClassVar[str] = "tenancy.tenant_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonInvited(Event):
    """Somebody was invited; the secret of their link is in no event."""

    type: ClassVar[str] = "tenancy.person_invited"
    invitation_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationAccepted(Event):
    """An invited person is a member now."""

    type: ClassVar[str] = "tenancy.invitation_accepted"
    invitation_id: uuid.UUID
    user_id: uuid.UUID
