"""`shifty tenants` and `shifty users`: what an operator does on the machine itself."""

import json
import secrets
from typing import Annotated, Any

import typer
from rich.table import Table

from shifty_pipelines.cli.tenant_access import all_tenants, opened_platform, tenant_id_of
from shifty_pipelines.cli.terminal import console
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser, Plan, Region, slug_of
from shifty_pipelines.contexts.tenancy.schemas import TenantBody, UpdateUser, UserBody
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Role, system_actor

tenants = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
users = typer.Typer(help="Add, list and change the people of a tenant.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant's slug.")]
GENERATED_PASSWORD_BYTES = 15


@tenants.command("list")
def list_tenants(as_json: AsJson = False) -> None:
    """List the active tenants."""
    with opened_platform() as platform:
        rows = [TenantBody.model_validate(tenant) for tenant in all_tenants(platform)]
    _show([row.model_dump(mode="json", include={"id", "slug", "name", "plan", "region"}) for row in rows], as_json)


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
    _show([{"id": str(founded.tenant.tenant_id), "slug": chosen, "owner": owner_email, "password": password}], as_json)


@users.command("list")
def list_users(tenant: TenantOption, as_json: AsJson = False) -> None:
    """List the people of a tenant."""
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        rows = [UserBody.model_validate(user) for user in services.tenancy.users(after=None, limit=1000)]
    _show([row.model_dump(mode="json", include={"id", "email", "role", "status", "grants"}) for row in rows], as_json)


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
    _show([{"id": str(user.id), "email": user.email, "role": role.value, "password": password}], as_json)


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
    with opened_platform() as platform:
        identity = platform.find_login(email)
        tenant_id = tenant_id_of(platform, tenant)
        if identity is None or identity.tenant_id != tenant_id:
            raise NotFound(f"User {email} in tenant {tenant}")
        with platform.open(system_actor(tenant_id)) as services:
            user = services.tenancy.update_user(identity.user_id, change)
    _show([{"id": str(user.id), "email": user.email, "role": user.role, "status": user.status}], as_json)


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
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
