"""Auth service (3002): invitations, accepting them, refreshing, passwords, API keys. All in the envelope."""

import uuid

from fastapi import APIRouter, Request

from shifty_pipelines.api.answers import Cursor, Limit, Message, Ok, Page, decode_cursor, encode_cursor, page_of
from shifty_pipelines.api.catalogue import AUTH
from shifty_pipelines.api.client_address import client_address
from shifty_pipelines.api.guard import CallDep, PlatformDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.api.scopes import scopes_open_to
from shifty_pipelines.contexts.tenancy.models import Invitation
from shifty_pipelines.contexts.tenancy.schemas import (
    AcceptInvitation,
    ApiKeyBody,
    ApiKeyCreated,
    ChangePassword,
    CreateApiKey,
    InvitationBody,
    Invite,
    InvitedBody,
    Refresh,
    Session,
    SignedIn,
)
from shifty_pipelines.flows import entrance
from shifty_pipelines.flows.invite import accept_invitation, invitation_link
from shifty_pipelines.kernel.clock import Clock

people: APIRouter = router_of(AUTH)


@people.post("/api/v1/auth/accept-invitation", status_code=201)
def accept(body: AcceptInvitation, request: Request, platform: PlatformDep) -> Ok[SignedIn]:
    """Become a member by an invitation, signed in; the invitation is used up. Why one cannot be used is not said."""
    signed_in = accept_invitation(
        platform,
        body.token,
        body.password,
        (body.first_name, body.last_name),
        client_address=client_address(request),
    )
    return Ok[SignedIn](data=SignedIn.model_validate(signed_in))


@people.post("/api/v1/auth/refresh")
def refresh(body: Refresh, platform: PlatformDep) -> Ok[Session]:
    """A new token and a new refresh token for one that was not used yet; a copy that comes later ends the session."""
    return Ok[Session](data=Session.model_validate(entrance.refresh(platform, body.refresh_token)))


@people.post("/api/v1/auth/password")
def change_password(body: ChangePassword, request: Request, call: CallDep) -> Message:
    """Change one's own password; one's other sessions end."""
    entrance.change_password(
        call.platform, call.caller, body.present_password, body.new_password, client_address=client_address(request)
    )
    return Message(message="Password changed; your other sessions were ended")


@people.post("/api/v1/tenants/{tenant_id}/invitations", status_code=201)
def invite(tenant_id: uuid.UUID, body: Invite, call: CallDep, once: OnceDep) -> Ok[InvitedBody]:
    """Invite an address; link and token are shown this once. Where a mail server is set, the address gets a mail."""
    token: str | None = None
    with call.open() as services:

        def create() -> uuid.UUID:
            nonlocal token
            invited = services.tenancy.invite(body.new_invitation())
            token = invited.secret
            return invited.invitation.id

        invitation = services.tenancy.invitation(once.run(services, create))
        shown = _shown(invitation, services.work.clock)
    link = invitation_link(call.platform.public_url, token) if token else None
    return Ok[InvitedBody](data=InvitedBody(**shown.model_dump(), token=token, link=link))


@people.get("/api/v1/tenants/{tenant_id}/invitations")
def list_invitations(
    tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[InvitationBody]:
    """The tenant's invitations by age, and what became of them."""
    with call.open() as services:
        rows = services.tenancy.invitations(after=decode_cursor(cursor), limit=limit + 1)
        shown = [_shown(row, services.work.clock) for row in rows[:limit]]
    more = len(rows) > limit
    next_cursor = encode_cursor(shown[-1].created_at, shown[-1].id) if more else None
    return Page[InvitationBody](data=shown, next_cursor=next_cursor)


@people.delete("/api/v1/tenants/{tenant_id}/invitations/{invitation_id}")
def revoke_invitation(tenant_id: uuid.UUID, invitation_id: uuid.UUID, call: CallDep) -> Message:
    """End an open invitation: its links cannot be used any more."""
    with call.open() as services:
        services.tenancy.revoke_invitation(invitation_id)
    return Message(message="Invitation revoked")


@people.post("/api/v1/tenants/{tenant_id}/api-keys", status_code=201)
def create_api_key(tenant_id: uuid.UUID, body: CreateApiKey, call: CallDep, once: OnceDep) -> Ok[ApiKeyCreated]:
    """A key that acts for oneself within its scopes; it is shown this once."""
    key: str | None = None
    with call.open() as services:

        def create() -> uuid.UUID:
            nonlocal key
            own = call.acting_user(None)
            made = services.tenancy.create_api_key(own, body.new_key(), allowed=scopes_open_to(call.actor))
            key = made.secret
            return made.key.id

        row = services.tenancy.api_key(once.run(services, create))
        shown = ApiKeyBody.model_validate(row)
    return Ok[ApiKeyCreated](data=ApiKeyCreated(**shown.model_dump(), key=key))


@people.get("/api/v1/tenants/{tenant_id}/api-keys")
def list_api_keys(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[ApiKeyBody]:
    """One's own keys by age; owners and admins see everybody's."""
    with call.open() as services:
        rows = services.tenancy.api_keys(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, ApiKeyBody)


@people.delete("/api/v1/api-keys/{key_id}")
def revoke_api_key(key_id: uuid.UUID, call: CallDep) -> Message:
    """End a key: one's own, or for owners and admins that of somebody not above them."""
    with call.open() as services:
        services.tenancy.revoke_api_key(key_id)
    return Message(message="API key revoked")


def _shown(invitation: Invitation, clock: Clock) -> InvitationBody:
    columns = {name: getattr(invitation, name) for name in InvitationBody.model_fields if name != "status"}
    return InvitationBody(**columns, status=invitation.status(clock.now()))
