"""Tenant manager (3001) and auth service (3002)."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from shifty_pipelines.api.answers import Cursor, Limit, Message, Ok, Page, decode_cursor, page_of
from shifty_pipelines.api.catalogue import AUTH, TENANT_MANAGER
from shifty_pipelines.api.client_address import client_address
from shifty_pipelines.api.errors import FLAT
from shifty_pipelines.api.guard import CallDep, PlatformDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser, slug_of
from shifty_pipelines.contexts.tenancy.errors import RegistrationClosed
from shifty_pipelines.contexts.tenancy.schemas import (
    CreateTenant,
    Login,
    Register,
    Registered,
    SignedIn,
    TenantBody,
    TenantStats,
    UpdateTenant,
    UpdateUser,
    UserBody,
    Verified,
)
from shifty_pipelines.flows import entrance
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import Role

Offset = Annotated[int, Query(ge=0)]


class TenantList(Page[TenantBody]):
    """One's own tenant, as a list."""

    count: int


class TenantCreated(Ok[TenantBody]):
    """A new tenant."""

    message: str


class SignedOut(BaseModel):
    """The session is over."""

    message: str


_flat: dict[str, Any] = {"openapi_extra": FLAT}

tenants: APIRouter = router_of(TENANT_MANAGER, is_flat=True)
tenant_stats: APIRouter = router_of(TENANT_MANAGER, is_flat=True)
auth: APIRouter = router_of(AUTH, is_flat=True)


@tenants.get("/api/v1/tenants", **_flat)
def list_tenants(call: CallDep, limit: Limit = 50, offset: Offset = 0) -> TenantList:
    """One's own tenant: nobody sees another's, whatever their role."""
    with call.open() as services:
        own = [TenantBody.model_validate(services.tenancy.tenant())][offset : offset + limit]
    return TenantList(data=own, next_cursor=None, count=len(own))


@tenants.post("/api/v1/tenants", status_code=201, **_flat)
def create_tenant(body: CreateTenant, call: CallDep) -> TenantCreated:
    """A tenant with the admin it names; its creator has no access to it. Needs open registration."""
    platform = call.platform
    if not platform.is_registration_open:
        raise RegistrationClosed
    if (body.admin_email is None) != (body.admin_password is None):
        raise InvalidValue("adminPassword", None, "adminEmail and adminPassword together, or neither")
    new = NewTenant(name=body.name, slug=body.slug, plan=body.plan, region=body.region)
    founded = entrance.found_tenant(platform, new, _admin(body))
    tenant = TenantBody.model_validate(founded.tenant)
    return TenantCreated(data=tenant, message="Tenant created successfully")


@tenants.get("/api/v1/tenants/{tenant_id}", **_flat)
def read_tenant(tenant_id: uuid.UUID, call: CallDep) -> Ok[TenantBody]:
    """One's own tenant."""
    with call.open() as services:
        return Ok[TenantBody](data=TenantBody.model_validate(services.tenancy.tenant()))


@tenants.put("/api/v1/tenants/{tenant_id}", **_flat)
def update_tenant(tenant_id: uuid.UUID, body: UpdateTenant, call: CallDep) -> Ok[TenantBody]:
    """Change name, plan or region."""
    with call.open() as services:
        return Ok[TenantBody](data=TenantBody.model_validate(services.tenancy.update_tenant(body)))


@tenants.delete("/api/v1/tenants/{tenant_id}", **_flat)
def delete_tenant(tenant_id: uuid.UUID, call: CallDep) -> Message:
    """Close the tenant: sessions end, the slug is free, every row stays as evidence."""
    with call.open() as services:
        services.tenancy.delete_tenant()
    return Message(message="Tenant deleted successfully")


@tenant_stats.get("/api/v1/tenants/{tenant_id}/stats", **_flat)
def read_tenant_stats(tenant_id: uuid.UUID, call: CallDep) -> Ok[TenantStats]:
    """The tenant's figures."""
    with call.open() as services:
        tenant = services.tenancy.tenant()
        return Ok[TenantStats](
            data=TenantStats.model_validate(
                {**{name: getattr(tenant, name) for name in TenantStats.model_fields if name != "user_count"},
                 "user_count": services.tenancy.count_users()}
            )
        )  # fmt: skip


@auth.post("/api/v1/auth/register", **_flat)
def register(body: Register, platform: PlatformDep) -> Registered:
    """A new tenant and its owner, signed in. Open while no tenant exists, or where the operator opened it."""
    slug = slug_of(body.tenant_name)
    if not slug:
        raise InvalidValue("tenantName", body.tenant_name, "a name with at least one letter a-z or digit")
    signed_in, tenant = entrance.register(
        platform,
        NewTenant(name=body.tenant_name, slug=slug),
        NewUser(
            email=body.email,
            password=body.password,
            first_name=body.first_name,
            last_name=body.last_name,
            role=Role.OWNER,
        ),
        must_be_first=not platform.is_registration_open,
    )
    shown = SignedIn.model_validate(signed_in)
    return Registered(**shown.model_dump(), tenant=TenantBody.model_validate(tenant))


@auth.post("/api/v1/auth/login", **_flat)
def login(body: Login, request: Request, platform: PlatformDep) -> SignedIn:
    """A token for an e-mail address and its password, and a refresh token that renews it at /auth/refresh."""
    signed_in = entrance.sign_in(platform, body.email, body.password, client_address=client_address(request))
    return SignedIn.model_validate(signed_in)


@auth.post("/api/v1/auth/verify", **_flat)
def verify(call: CallDep) -> Verified:
    """Whose token this is, by the rows as they are now."""
    return Verified(user=UserBody.model_validate(call.caller.user))


@auth.post("/api/v1/auth/logout", **_flat)
def logout(call: CallDep) -> SignedOut:
    """End this token's session, and with it its refresh tokens."""
    if call.caller.sign_in_id is not None:
        with call.open() as services:
            services.tenancy.sign_out(call.caller.sign_in_id)
    return SignedOut(message="Logged out successfully")


users: APIRouter = router_of(AUTH)


@users.get("/api/v1/users")
def list_users(call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[UserBody]:
    """The people of one's tenant, by age."""
    with call.open() as services:
        rows = services.tenancy.users(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, UserBody)


@users.get("/api/v1/users/{user_id}")
def read_user(user_id: uuid.UUID, call: CallDep) -> Ok[UserBody]:
    """One person of one's tenant."""
    with call.open() as services:
        return Ok[UserBody](data=UserBody.model_validate(services.tenancy.user(user_id)))


@users.put("/api/v1/users/{user_id}")
def update_user(user_id: uuid.UUID, body: UpdateUser, call: CallDep) -> Ok[UserBody]:
    """Change a person's name, role, grants or status."""
    with call.open() as services:
        return Ok[UserBody](data=UserBody.model_validate(services.tenancy.update_user(user_id, body)))


def _admin(body: CreateTenant) -> NewUser | None:
    if body.admin_email is None or body.admin_password is None:
        return None
    return NewUser(
        email=body.admin_email,
        password=body.admin_password,
        first_name="Admin",
        last_name=body.name[:255],
        # A tenant's first user owns it: nobody else could ever make an owner.
        role=Role.OWNER,
    )
