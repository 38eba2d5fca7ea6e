"""Words and rules of tenancy: plans, regions, statuses, the role lattice, slugs. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shifty_pipelines.kernel.tenant import Role


class Plan(StrEnum):
    """A label of the contract; no entitlement hangs on it."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    ENTERPRISE = "enterprise"
    ENTERPRISE_PLUS = "enterprise-plus"


class Region(StrEnum):
    """Where the customer says its data belongs."""

    US_EAST_1 = "us-east-1"
    US_WEST_2 = "us-west-2"
    EU_WEST_1 = "eu-west-1"
    AP_SOUTHEAST_1 = "ap-southeast-1"


class TenantStatus(StrEnum):
    """`deleted` keeps every row as evidence, frees the slug, and ends all sessions."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class UserStatus(StrEnum):
    """Only active users sign in."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"


class Grant(StrEnum):
    """Duties beside the role, given to single people."""

    DELETION_APPROVER = "deletion_approver"
    LEGAL = "legal"
    AUDITOR = "auditor"
    LEAD = "lead"
    DATA_STEWARD = "data_steward"


#: Who stands above whom: a person may change people up to their own rank.
RANK: Mapping[Role, int] = {Role.VIEWER: 0, Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}

MIN_PASSWORD_CHARS = 8
#: Argon2 reads the whole password; the bound keeps a megabyte of it from being work for the server.
MAX_PASSWORD_CHARS = 1024
MAX_SLUG_CHARS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTenant:
    """What a tenant is founded with."""

    name: str
    slug: str
    plan: Plan = Plan.STARTER
    region: Region = Region.US_EAST_1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What a user is added with; the password is hashed before it touches the database."""

    email: str
    password: str
    first_name: str
    last_name: str
    role: Role


def may_change(actor: Role, *targets: Role) -> bool:
    """Whether a person of role `actor` may change somebody of these roles (present and intended)."""
    return all(RANK[actor] >= RANK[target] for target in targets)


def slug_of(name: str) -> str:
    """A tenant's slug from its name: lower case, words joined by one hyphen, at most 50 characters; may be empty.

    >>> slug_of("  Acme & Söhne  GmbH ")
    'acme-shne-gmbh'
    """
    words = re.sub(r"[^a-z0-9\s-]", "", name.lower().strip())
    return re.sub(r"[\s-]+", "-", words).strip("-")[:MAX_SLUG_CHARS].rstrip("-")


def normal_email(email: str) -> str:
    """The form in which addresses are compared: trimmed and lower case."""
    return email.strip().lower()
