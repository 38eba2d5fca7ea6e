"""Bodies of tenancy on the wire. Tenant rows carry snake_case and camelCase times: existing clients read either."""

import re
import uuid
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, EmailStr, Field, StringConstraints, computed_field

from shifty_pipelines.contexts.tenancy.domain import (
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
    Grant,
    InvitationStatus,
    NewApiKey,
    NewInvitation,
    Plan,
    Region,
    Scope,
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
#: A secret that we made ourselves; ours are shorter.
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]


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


class Refresh(RequestBody):
    """A refresh token that was not used yet."""

    refresh_token: Secret


class ChangePassword(RequestBody):
    """One's present password and the next one."""

    present_password: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD_CHARS)]
    new_password: Password


class SetPassword(RequestBody):
    """A password that the operator of the machine sets for somebody."""

    new_password: Password


class Invite(RequestBody):
    """Whom to invite, and what they will be."""

    email: EmailStr
    role: Role = Role.MEMBER
    grants: Annotated[list[Grant], Field(max_length=len(Grant), default_factory=list)]
    expires_in_days: Annotated[int, Field(ge=1, le=30)] = 7

    def new_invitation(self) -> NewInvitation:
        """The invitation asked for."""
        lifetime = timedelta(days=self.expires_in_days)
        return NewInvitation(email=self.email, role=self.role, grants=frozenset(self.grants), lifetime=lifetime)


class AcceptInvitation(RequestBody):
    """The secret of an invitation's link, and who accepts it; role and grants are the inviter's to say."""

    token: Secret
    password: Password
    first_name: Name
    last_name: Name


class CreateApiKey(RequestBody):
    """A key that acts for oneself, within the scopes."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_in_days: Annotated[int, Field(ge=1, le=365)] = 90

    def new_key(self) -> NewApiKey:
        """The key asked for."""
        return NewApiKey(name=self.name, scopes=frozenset(self.scopes), lifetime=timedelta(days=self.expires_in_days))


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


class Session(WireModel):
    """A session's token and what renews it; the refresh token is used once."""

    token: str
    refresh_token: str
    #: When the token ends; refresh before.
    expires_at: datetime
    #: When refreshing ends and one signs in again.
    session_expires_at: datetime


class SignedIn(Session):
    """Who signed in, and their session."""

    user: UserBody


class Registered(SignedIn):
    """A new owner, their token, and their tenant."""

    tenant: TenantBody


class Verified(WireModel):
    """A token that is good, and whose it is."""

    valid: Literal[True] = True
    user: UserBody


class InvitationBody(WireModel):
    """An invitation; never its secret."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    email: str
    role: Role
    grants: list[Grant]
    status: InvitationStatus
    invited_by: uuid.UUID | None
    created_at: datetime
    expires_at: datetime
    mailed_at: datetime | None
    accepted_at: datetime | None
    accepted_by: uuid.UUID | None
    revoked_at: datetime | None


class InvitedBody(InvitationBody):
    """A new invitation; link and token are shown this once, and are null when the answer is asked for again."""

    token: str | None
    link: str | None


class ApiKeyBody(WireModel):
    """An API key; `prefix` tells which one it is, the key itself is not kept."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    user_id: uuid.UUID
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeyCreated(ApiKeyBody):
    """A new key; it is shown this once, and null when the answer is asked for again."""

    key: str | None
