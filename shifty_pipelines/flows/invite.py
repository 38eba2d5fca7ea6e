"""Inviting a person, from the link to the member: the mail after the invitation is committed, and the acceptance."""

from contextlib import AbstractContextManager
from typing import Protocol

from shifty_pipelines.contexts.tenancy.errors import InvitationUnusable, UserExists
from shifty_pipelines.contexts.tenancy.ports import Mail, Mailer
from shifty_pipelines.contexts.tenancy.service.invitations import DueMail, tenant_of_secret
from shifty_pipelines.flows.attempts import counted_attempt
from shifty_pipelines.flows.entrance import Entrance, SignedInUser, signed_in
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.kernel.tenant import SYSTEM_TENANT, Actor, TenantId, system_actor
from shifty_pipelines.services import Services


class PostRoom(Protocol):
    """What mailing invitations needs of the platform."""

    @property
    def mailer(self) -> Mailer | None:
        """Hands mail over; None where no server is set."""
        ...

    @property
    def public_url(self) -> str:
        """Where people reach the gateway, without a slash at the end."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...


def invitation_link(public_url: str, secret: str) -> str:
    """The link of an invitation. The secret stands behind '#', which browsers send to no server and into no log."""
    return f"{public_url}/accept-invitation#token={secret}"


def mail_invitation(post: PostRoom, event: DeliveredEvent) -> None:
    """React to `PersonInvited`: mail the invitation, if there is a mail server and it is still open.

    The mail's secret is made here and kept as a hash, so that no secret waits anywhere for the mail. It is committed
    before the mail goes out; a crash between the two mails once more, with a link that works in place of the first.
    """
    if post.mailer is None:
        return
    invitation_id, actor = event.uuid_of("invitation_id"), system_actor(TenantId(event.tenant_id))
    with post.open(actor) as services:
        due = services.tenancy.due_mail(invitation_id)
    if due is None:
        return
    post.mailer.send(_mail(due, invitation_link(post.public_url, due.secret)))
    with post.open(actor) as services:
        services.tenancy.mark_mailed(invitation_id)


def _mail(due: DueMail, link: str) -> Mail:
    # The workspace's slug, never its name: a name is free text, and would let a tenant write our mails.
    return Mail(
        to=due.email,
        subject="You are invited to a workspace",
        text=(
            f"You are invited to the workspace '{due.tenant_slug}' as {due.role}.\n\n"
            f"Open this link to choose a password:\n{link}\n\n"
            f"It can be used once, until {due.expires_at:%Y-%m-%d %H:%M} UTC. If you did not expect it, do nothing.\n"
        ),
    )


def accept_invitation(
    entrance: Entrance, secret: str, password: str, names: tuple[str, str], *, client_address: str
) -> SignedInUser:
    """The new member, signed in. Of two who accept at once one is the member.

    Every refusal is the same and takes the same work: who holds a link learns that it cannot be used, and not why.

    Raises:
        InvitationUnusable: for any reason.
        TooManyAttempts: this client guessed too often.
    """
    tenant_id = tenant_of_secret(secret) or SYSTEM_TENANT
    with counted_attempt(entrance, account="", client_address=client_address):
        password_hash = entrance.passwords.hash(password)
        try:
            with entrance.open(system_actor(tenant_id)) as services:
                user = services.tenancy.accept_invitation(
                    secret, password_hash=password_hash, first_name=names[0], last_name=names[1]
                )
                session = services.tenancy.open_session(user, lifetimes=entrance.lifetimes)
        except UserExists:
            # Raised out of the transaction: nothing was changed, the invitation is still open to its inviter's eyes.
            raise InvitationUnusable from None
    return signed_in(entrance, session)
