"""`shifty tenants`, `shifty users` and `shifty api-keys`: what an operator does on the machine itself."""

import json
import secrets
import uuid
from typing import Annotated, Any

import typer
from rich.table import Table

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.cli.tenant_access import all_tenants, opened_platform, tenant_id_of
from shifty_pipelines.cli.terminal import console
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser, Plan, Region, slug_of
from shifty_pipelines.contexts.tenancy.models import User
from shifty_pipelines.contexts.tenancy.schemas import (
    ApiKeyBody,
    CreateApiKey,
    Invite,
    SetPassword,
    TenantBody,
    UpdateUser,
    UserBody,
)
from shifty_pipelines.contexts.tenancy.service.sessions import actor_of
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.flows.invite import invitation_link
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Role, system_actor
from shifty_pipelines.services import Services

tenants = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
users = typer.Typer(help="Invite, add, list and change the people of a tenant.", no_args_is_help=True)
api_keys = typer.Typer(help="Create, list and revoke the keys that act for people.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant's slug.")]
GENERATED_PASSWORD_BYTES = 15


@tenants.command("list")
def list_tenants(as_json: AsJson = False) -> None:
    """List the active tenants."""
    with opened_platform() as platform:
        rows = [TenantBody.model_validate(tenant) for tenant in all_tenants(platform)]
    show([row.model_dump(mode="json", include={"id", "slug", "name", "plan", "region"}) for row in rows], as_json)


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="The customer's name.")],
    owner_email: Annotated[str, typer.Option("--owner", help="E-mail address of its first owner.")],
    slug: Annotated[str | None, typer.Option(help="Short name in addresses; by default from the name.")] = None,
    plan: Annotated[Plan, typer.Option(help="A label of the contract.")] = Plan.STARTER,
    region: Annotated[Region, typer.Option(help="Where the customer's data belongs.")] = Region.US_EAST_1,
    as_json: AsJson = False,
) -> None:
    """Create a tenant and its first owner; the generated password is printed once."""
    chosen = slug or slug_of(name)
    if not chosen:
        raise InvalidValue("name", name, "a name with at least one letter a-z or digit, or --slug")
    password = secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    owner = NewUser(email=owner_email, password=password, first_name="First", last_name="Owner", role=Role.OWNER)
    with opened_platform() as platform:
        founded = found_tenant(platform, NewTenant(name=name, slug=chosen, plan=plan, region=region), owner)
    show([{"id": str(founded.tenant.tenant_id), "slug": chosen, "owner": owner_email, "password": password}], as_json)


@users.command("list")
def list_users(tenant: TenantOption, as_json: AsJson = False) -> None:
    """List the people of a tenant."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        rows = [UserBody.model_validate(user) for user in services.tenancy.users(after=None, limit=1000)]
    show([row.model_dump(mode="json", include={"id", "email", "role", "status", "grants"}) for row in rows], as_json)


@users.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    tenant: TenantOption,
    role: Annotated[Role, typer.Option(help="Their role.")] = Role.MEMBER,
    first_name: Annotated[str, typer.Option(help="Their first name.")] = "New",
    last_name: Annotated[str, typer.Option(help="Their last name.")] = "Member",
    as_json: AsJson = False,
) -> None:
    """Add a person to a tenant; the generated password is printed once."""
    password = secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    new = NewUser(email=email, password=password, first_name=first_name, last_name=last_name, role=role)
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        user = services.tenancy.add_user(new)
    show([{"id": str(user.id), "email": user.email, "role": role.value, "password": password}], as_json)


@users.command("update")
def update_user(
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    tenant: TenantOption,
    role: Annotated[Role | None, typer.Option(help="Their new role.")] = None,
    status: Annotated[str | None, typer.Option(help="active, inactive or suspended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a person's role or status; losing 'active' ends their sessions."""
    wanted = {"role": role.value if role else None, "status": status}
    change = UpdateUser.model_validate({name: value for name, value in wanted.items() if value is not None})
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        user = services.tenancy.update_user(_user(platform, services, email).id, change)
    show([{"id": str(user.id), "email": user.email, "role": user.role, "status": user.status}], as_json)


@users.command("set-password")
def set_password(
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    tenant: TenantOption,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password instead of generating one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a person a new password and end their sessions; a generated one is printed once."""
    typed = typer.prompt("New password", hide_input=True, confirmation_prompt=True) if ask else None
    password = SetPassword.model_validate(
        {"newPassword": typed or secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)}
    ).new_password
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        user = services.tenancy.set_password(_user(platform, services, email).id, password)
    show([{"id": str(user.id), "email": user.email, "password": "as typed" if ask else password}], as_json)


@users.command("invite")
def invite(
    email: Annotated[str, typer.Argument(help="Whom to invite.")],
    tenant: TenantOption,
    role: Annotated[Role, typer.Option(help="What they will be.")] = Role.MEMBER,
    grant: Annotated[list[str] | None, typer.Option(help="A duty beside the role; may be given again.")] = None,
    expires_in_days: Annotated[int, typer.Option(help="How long the link can be used, 1 to 30 days.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Invite a person; the link is printed once, and mailed where a mail server is set."""
    asked = Invite.model_validate(
        {"email": email, "role": role.value, "grants": grant or [], "expiresInDays": expires_in_days}
    )
    with opened_platform() as platform:
        with platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
            invited = services.tenancy.invite(asked.new_invitation())
        link = invitation_link(platform.public_url, invited.secret)
    row = invited.invitation
    shown = {"id": str(row.id), "email": row.email, "role": row.role, "expiresAt": row.expires_at.isoformat()}
    show([{**shown, "link": link}], as_json)


@users.command("invitations")
def list_invitations(tenant: TenantOption, as_json: AsJson = False) -> None:
    """List a tenant's invitations and what became of them."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        now = services.work.clock.now()
        rows = [
            {
                "id": str(row.id),
                "email": row.email,
                "role": row.role,
                "grants": row.grants,
                "status": row.status(now).value,
                "expiresAt": row.expires_at.isoformat(),
            }
            for row in services.tenancy.invitations(after=None, limit=1000)
        ]
    show(rows, as_json)


@users.command("revoke-invitation")
def revoke_invitation(
    invitation_id: Annotated[uuid.UUID, typer.Argument(help="Its id, from `shifty users invitations`.")],
    tenant: TenantOption,
) -> None:
    """End an open invitation: its links cannot be used any more."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        services.tenancy.revoke_invitation(invitation_id)
    console.print("revoked")


@api_keys.command("create")
def create_api_key(
    email: Annotated[str, typer.Argument(help="The person that the key acts for.")],
    tenant: TenantOption,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do: read, label, report, predict, train, admin.")],
    expires_in_days: Annotated[int, typer.Option(help="How long it can be used, 1 to 365 days.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a key that acts for a person within its scopes; it is printed once."""
    from shifty_pipelines.api.scopes import scopes_open_to  # noqa: PLC0415  # keeps every other command quick

    asked = CreateApiKey.model_validate({"name": name, "scopes": scope, "expiresInDays": expires_in_days})
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        user = _user(platform, services, email)
        allowed = scopes_open_to(actor_of(user))
        made = services.tenancy.create_api_key(user.id, asked.new_key(), allowed=allowed)
    shown = ApiKeyBody.model_validate(made.key).model_dump(mode="json", include={"id", "name", "scopes", "expires_at"})
    show([{**shown, "key": made.secret}], as_json)


@api_keys.command("list")
def list_api_keys(tenant: TenantOption, as_json: AsJson = False) -> None:
    """List a tenant's keys, never the keys themselves."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        rows = [ApiKeyBody.model_validate(key) for key in services.tenancy.api_keys(after=None, limit=1000)]
    shown = {"id", "user_id", "name", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at"}
    show([row.model_dump(mode="json", include=shown) for row in rows], as_json)


@api_keys.command("revoke")
def revoke_api_key(
    key_id: Annotated[uuid.UUID, typer.Argument(help="Its id, from `shifty api-keys list`.")], tenant: TenantOption
) -> None:
    """End a key; it is refused from the next request on."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        services.tenancy.revoke_api_key(key_id)
    console.print("revoked")


def _user(platform: Platform, services: Services, email: str) -> User:
    identity = platform.find_login(email)
    if identity is None or identity.tenant_id != services.work.tenant_id:
        raise NotFound(f"User {email} in this tenant")
    return services.tenancy.user(identity.user_id)


def show(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        console.print("none yet")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(", ".join(v) if isinstance(v := value, list) else str(value) for value in row.values()))
    console.print(table)
