"""Bodies of tenancy on the wire. Tenant rows carry snake_case and camelCase times: existing clients read either."""

import re
import uuid
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, EmailStr, Field, StringConstraints, computed_field

from shifty_pipelines.contexts.tenancy.domain import (
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
    Grant,
    Plan,
    Region,
    TenantStatus,
    UserStatus,
)
from shifty_pipelines.kernel.tenant import Role
from shifty_pipelines.kernel.wire import RequestBody, WireModel

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[
    str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), AfterValidator(_printable)
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=50)]
Password = Annotated[str, StringConstraints(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]


class Register(RequestBody):
    """A person registers together with a new tenant, whose owner they become."""

    email: EmailStr
    password: Password
    first_name: Name
    last_name: Name
    tenant_name: Name


class Login(RequestBody):
    """E-mail and password."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class CreateTenant(RequestBody):
    """A tenant, and the admin it names."""

    name: Name
    slug: Slug
    region: Region = Region.US_EAST_1
    plan: Plan = Plan.STARTER
    admin_email: EmailStr | None = None
    admin_password: Password | None = None


class UpdateTenant(RequestBody):
    """What an owner may change; absent fields stay as they are."""

    name: Name | None = None
    plan: Plan | None = None
    region: Region | None = None


class UpdateUser(RequestBody):
    """What may change about a user; absent fields stay as they are."""

    may_set: ClassVar[frozenset[str]] = frozenset({"status"})

    first_name: Name | None = None
    last_name: Name | None = None
    role: Role | None = None
    status: UserStatus | None = None
    grants: Annotated[list[Grant], Field(max_length=len(Grant))] | None = None


class TenantBody(WireModel):
    """A tenant as clients know it."""

    id: uuid.UUID = Field(validation_alias="tenant_id")
    name: str
    slug: str
    plan: Plan
    status: TenantStatus
    region: Region
    created_at: datetime
    updated_at: datetime
    #: Each customer's rows live in the platform's database, so there is no address of its own.
    database_url: None = None

    @computed_field(alias="created_at")  # type: ignore[prop-decorator]
    @property
    def created_at_snake(self) -> datetime:
        """The same time under its older name."""
        return self.created_at

    @computed_field(alias="updated_at")  # type: ignore[prop-decorator]
    @property
    def updated_at_snake(self) -> datetime:
        """The same time under its older name."""
        return self.updated_at

    @computed_field(alias="database_url")  # type: ignore[prop-decorator]
    @property
    def database_url_snake(self) -> None:
        """The same under its older name."""
        return


class TenantStats(WireModel):
    """A tenant's figures."""

    tenant_id: uuid.UUID
    name: str
    plan: Plan
    region: Region
    status: TenantStatus
    created_at: datetime
    user_count: int


class UserBody(WireModel):
    """A user; never the password hash."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    email: str
    first_name: str
    last_name: str
    role: Role
    grants: list[Grant]
    status: UserStatus
    created_at: datetime
    updated_at: datetime


class SignedIn(WireModel):
    """Who signed in, and their token."""

    user: UserBody
    token: str


class Registered(SignedIn):
    """A new owner, their token, and their tenant."""

    tenant: TenantBody


class Verified(WireModel):
    """A token that is good, and whose it is."""

    valid: Literal[True] = True
    user: UserBody
