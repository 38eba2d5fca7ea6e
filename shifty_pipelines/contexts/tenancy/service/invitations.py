"""Invitations: a place with a role and grants, kept by whoever holds the link, for a while, once."""

import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shifty_pipelines.contexts.tenancy.domain import (
    MAX_INVITATIONS_TO_ADDRESS_PER_DAY,
    MAX_PENDING_INVITATIONS,
    Grant,
    InvitationStatus,
    NewInvitation,
    NewUser,
    TenantStatus,
    normal_email,
    secret_hash,
)
from shifty_pipelines.contexts.tenancy.errors import (
    AboveOwnRole,
    AddressInvitedOften,
    AlreadyMember,
    InvitationClosed,
    InvitationUnusable,
    TooManyPending,
)
from shifty_pipelines.contexts.tenancy.events import InvitationAccepted, PersonInvited
from shifty_pipelines.contexts.tenancy.models import Invitation, User
from shifty_pipelines.contexts.tenancy.service.base import TenancyUseCases, check_may_reach
from shifty_pipelines.contexts.tenancy.service.sessions import actor_of
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import Role, TenantId

SECRET_BYTES = 32
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and the secret of its link, which is shown this once."""

    invitation: Invitation
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DueMail:
    """An invitation to be mailed, with the secret of the mail's own link."""

    email: str
    role: Role
    tenant_slug: str
    expires_at: datetime
    secret: str = field(repr=False)


class Invitations(TenancyUseCases):
    """Who was asked in."""

    def invite(self, new: NewInvitation) -> Invited:
        """Invite an address; an earlier open invitation of the same address ends.

        Whether the address signs in at another tenant is not looked at, so nothing here can tell.

        Raises:
            AboveOwnRole: the inviter may not give the role.
            AlreadyMember: the address is one of this tenant's own people.
            TooManyPending: the tenant has as many open invitations as it may.
            AddressInvitedOften: the address has got enough for a day.
        """
        self._check_may_reach(new.role)
        self._tenant_locked()  # two invitations at once: the second counts the first
        now, email = self.work.clock.now(), normal_email(new.email)
        self._check_bounds(email, now)
        self.repository.withdraw_invitations(email, at=now)
        secret = invitation_secret(self.work.scope.tenant_id)
        invitation = Invitation(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            email=email,
            role=new.role.value,
            grants=sorted(new.grants),
            invited_by=self.work.actor.user_id,
            link_hash=secret_hash(secret),
            created_at=now,
            expires_at=now + new.lifetime,
        )
        self.repository.add(invitation)
        self.work.audit.record(
            "invitation.made", "invitation", invitation.id, role=invitation.role, grants=invitation.grants
        )
        self.work.outbox.publish(PersonInvited(invitation_id=invitation.id))
        return Invited(invitation, secret)

    def invitation(self, invitation_id: uuid.UUID) -> Invitation:
        """An invitation by id."""
        return self._invitation_locked(invitation_id)

    def invitations(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[Invitation]:
        """Invitations by age, whatever became of them."""
        return self.repository.invitations(after=after, limit=limit)

    def revoke_invitation(self, invitation_id: uuid.UUID) -> None:
        """End an invitation that is open; revoking it again changes nothing.

        Raises:
            NotFound: none by that id.
            AboveOwnRole: it gives a role above one's own.
            InvitationClosed: it was accepted, or has expired.
        """
        invitation = self._invitation_locked(invitation_id)
        self._check_may_reach(Role(invitation.role))
        now = self.work.clock.now()
        status = invitation.status(now)
        if status == InvitationStatus.REVOKED:
            return
        if status != InvitationStatus.PENDING:
            raise InvitationClosed(status)
        invitation.revoked_at = now
        self.work.audit.record("invitation.revoked", "invitation", invitation.id)

    def accept_invitation(self, secret: str, *, password_hash: str, first_name: str, last_name: str) -> User:
        """The new member, with the role and grants that the inviter fixed.

        Raises:
            InvitationUnusable: unknown, used, expired, revoked, or its inviter may no longer give what it gives.
            UserExists: the address signs in somewhere; the caller must not tell this apart from the above.
        """
        # Locked, and before the invitation as everywhere: a tenant that is being closed gets nobody any more.
        tenant = self.repository.tenant(lock=True)
        if tenant is None or tenant.status != TenantStatus.ACTIVE:
            raise InvitationUnusable
        invitation = self.repository.invitation_by_secret(secret_hash(secret))
        now = self.work.clock.now()
        if invitation is None or invitation.status(now) != InvitationStatus.PENDING or not self._still_may(invitation):
            raise InvitationUnusable
        new = NewUser(
            email=invitation.email,
            password="",  # hashed already
            first_name=first_name,
            last_name=last_name,
            role=Role(invitation.role),
            grants=frozenset(Grant(grant) for grant in invitation.grants),
        )
        user = self._insert_user(new, password_hash)
        invitation.accepted_at, invitation.accepted_by = now, user.id
        came_by = "mail" if invitation.mailed_hash == secret_hash(secret) else "link"
        self.work.audit.record(
            "invitation.accepted", "invitation", invitation.id, user_id=str(user.id), came_by=came_by
        )
        self.work.outbox.publish(InvitationAccepted(invitation_id=invitation.id, user_id=user.id))
        return user

    def due_mail(self, invitation_id: uuid.UUID) -> DueMail | None:
        """What to mail for an invitation, with a link of its own; None when it is closed, or was mailed."""
        invitation = self._invitation_locked(invitation_id)
        if invitation.status(self.work.clock.now()) != InvitationStatus.PENDING or invitation.mailed_at is not None:
            return None
        tenant = self.repository.tenant()
        if tenant is None or tenant.status != TenantStatus.ACTIVE:
            return None
        secret = invitation_secret(self.work.scope.tenant_id)
        invitation.mailed_hash = secret_hash(secret)
        return DueMail(invitation.email, Role(invitation.role), tenant.slug, invitation.expires_at, secret)

    def mark_mailed(self, invitation_id: uuid.UUID) -> None:
        """The mail server has taken the invitation."""
        self._invitation_locked(invitation_id).mailed_at = self.work.clock.now()
        self.work.audit.record("invitation.mailed", "invitation", invitation_id)

    def _check_bounds(self, email: str, now: datetime) -> None:
        if self.repository.has_email(email):
            raise AlreadyMember(email)
        if self.repository.open_invitations(now) >= MAX_PENDING_INVITATIONS:
            raise TooManyPending("open invitations", MAX_PENDING_INVITATIONS)
        if self.repository.invitations_to(email, since=now - DAY) >= MAX_INVITATIONS_TO_ADDRESS_PER_DAY:
            raise AddressInvitedOften(MAX_INVITATIONS_TO_ADDRESS_PER_DAY, retry_after_s=int(DAY.total_seconds()))

    def _still_may(self, invitation: Invitation) -> bool:
        """Whether the inviter could invite like this today; what the operator of the machine gave stands."""
        if invitation.invited_by is None:
            return True
        inviter = self.repository.user(invitation.invited_by)
        if inviter is None or inviter.status != "active":
            return False
        try:
            check_may_reach(actor_of(inviter), [Role(invitation.role)])
        except AboveOwnRole:
            return False
        return True

    def _invitation_locked(self, invitation_id: uuid.UUID) -> Invitation:
        invitation = self.repository.invitation_locked(Invitation.id == invitation_id)
        if invitation is None:
            raise NotFound("Invitation")
        return invitation


def invitation_secret(tenant_id: TenantId) -> str:
    """A fresh secret that says which tenant it is for: accepting needs no directory across tenants."""
    return base64.urlsafe_b64encode(tenant_id.bytes + secrets.token_bytes(SECRET_BYTES)).decode()


def tenant_of_secret(secret: str) -> TenantId | None:
    """The tenant that a secret claims to be for; None if it is none of ours."""
    try:
        raw = base64.b64decode(secret, altchars=b"-_", validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None
    id_bytes = len(uuid.UUID(int=0).bytes)
    return TenantId(uuid.UUID(bytes=raw[:id_bytes])) if len(raw) == id_bytes + SECRET_BYTES else None
