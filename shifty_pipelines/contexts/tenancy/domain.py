"""Words and rules of tenancy: plans, regions, statuses, the role lattice, scopes, secrets' hashes, backoff. Pure."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    DEPLOYMENT_APPROVER = "deployment_approver"


class Scope(StrEnum):
    """What an API key may be used for; never more than its owner may. Which route needs which is the API's table."""

    READ = "read"
    LABEL = "label"
    REPORT = "report"
    PREDICT = "predict"
    TRAIN = "train"
    ADMIN = "admin"


class InvitationStatus(StrEnum):
    """Where an invitation stands; only a pending one can be accepted."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


#: Who stands above whom: a person may change people up to their own rank.
RANK: Mapping[Role, int] = {Role.VIEWER: 0, Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}

MIN_PASSWORD_CHARS = 8
#: Argon2 reads the whole password; the bound keeps a megabyte of it from being work for the server.
MAX_PASSWORD_CHARS = 1024
MAX_SLUG_CHARS = 50

#: Open invitations of one tenant; more are an accident, or somebody using us to send mail.
MAX_PENDING_INVITATIONS = 500
#: Invitations of one tenant to one address within a day: every one may be a mail to somebody who did not ask for it.
MAX_INVITATIONS_TO_ADDRESS_PER_DAY = 5
#: Keys of one person that can be used; each is a way in that somebody must remember.
MAX_LIVE_API_KEYS = 50
#: `last_used_at` is written at most this often, so that a busy key does not write a row with every request.
LAST_USED_EVERY = timedelta(minutes=1)

#: A refresh token that comes again this soon after its use is two tabs or a lost answer, not a thief: it gets nothing,
#: and the session lives. Later it is a copy, and the session ends.
REFRESH_GRACE = timedelta(seconds=10)
#: Used tokens of a session that are remembered, so that one that comes back is told from one that never was.
MAX_REFRESH_TOKENS_PER_SESSION = 100

API_KEY_PREFIX = "shifty_"


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
    grants: frozenset[Grant] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """What an invitation fixes before anybody accepts it."""

    email: str
    role: Role
    grants: frozenset[Grant] = frozenset()
    lifetime: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """What an API key is made with."""

    name: str
    scopes: frozenset[Scope]
    lifetime: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLifetimes:
    """How long a token is good, and how long it may be renewed by refreshing before one must sign in again."""

    token: timedelta
    session: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after failures: nothing for the first `free`, then doubling from `first_wait`."""

    free: int
    first_wait: timedelta
    longest_wait: timedelta

    def wait(self, failures: int) -> timedelta:
        """The wait after this many failures.

        >>> ACCOUNT_BACKOFF.wait(4), ACCOUNT_BACKOFF.wait(6)
        (datetime.timedelta(0), datetime.timedelta(seconds=2))
        """
        beyond = failures - self.free
        if beyond < 0:
            return timedelta(0)
        # The exponent is bounded before the power is taken: a counter may stand anywhere.
        return min(self.first_wait * (1 << min(beyond, 32)), self.longest_wait)


#: Per account and client address: about a hundred guesses a day, the bound of NIST SP 800-63B section 5.2.2. Doubling
#: from a second is OWASP's Authentication Cheat Sheet. Never per account alone: that would let anybody lock others out.
ACCOUNT_BACKOFF = Backoff(free=5, first_wait=timedelta(seconds=1), longest_wait=timedelta(minutes=15))
#: Per client address, over all accounts: many people share one address, so it begins later.
ADDRESS_BACKOFF = Backoff(free=100, first_wait=timedelta(seconds=1), longest_wait=timedelta(minutes=15))
#: Failures are forgotten this long after the last one.
ATTEMPTS_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCount:
    """How often something failed, and until when nobody may try again."""

    failures: int = 0
    blocked_until: datetime | None = None
    expires_at: datetime

    def wait(self, now: datetime) -> timedelta:
        """How long until the next attempt is taken."""
        return max(self.blocked_until - now, timedelta(0)) if self.blocked_until else timedelta(0)

    def counted(self, backoff: Backoff, now: datetime) -> "AttemptCount":
        """With one attempt more; it counts as failed before it is tried, so that many at once do not all slip by."""
        failures = 1 if self.expires_at <= now else self.failures + 1
        wait = backoff.wait(failures)
        return AttemptCount(
            failures=failures, blocked_until=now + wait if wait else None, expires_at=now + ATTEMPTS_KEPT
        )

    def forgiven(self) -> "AttemptCount":
        """With one attempt less: it succeeded after all."""
        return AttemptCount(failures=max(self.failures - 1, 0), expires_at=self.expires_at)


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one, all of which one host can take.

    >>> network_of("2001:db8::1"), network_of("::ffff:192.0.2.7")
    ('2001:db8::/64', '192.0.2.7')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def secret_hash(secret: str) -> bytes:
    """SHA-256 of a secret that we made ourselves from 256 random bits.

    A slow hash protects what people choose and others can guess. Nobody guesses 256 bits, and Argon2's 64 MiB on every
    request would be a gift to whoever wants this machine busy.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


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
