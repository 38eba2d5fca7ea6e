"""What tenancy needs from outside: password hashing, tokens, and mail."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shifty_pipelines.kernel.tenant import Role, TenantId, UserId


class PasswordHasher(Protocol):
    """A slow, salted one-way function of passwords."""

    def decoy_hash(self) -> str:
        """Checked when the address is unknown, so that the answer takes as long as for a wrong password."""
        ...

    def hash(self, password: str) -> str:
        """An encoded hash with its salt and parameters."""
        ...

    def matches(self, encoded: str, password: str) -> bool:
        """Whether the password is the one that was hashed; a malformed `encoded` never matches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says: who. Role and e-mail are for clients; the server reads its own rows."""

    user_id: UserId
    tenant_id: TenantId
    session_id: uuid.UUID
    role: Role
    email: str
    issued_at: datetime
    expires_at: datetime


class Tokens(Protocol):
    """Signs and reads bearer tokens."""

    def issue(self, claims: Claims) -> str:
        """A signed token."""
        ...

    def read(self, token: str) -> Claims | None:
        """The claims of a token that is ours and not expired; None for anything else, never an exception."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message in plain text; it may hold a secret, so it is shown nowhere."""

    to: str
    subject: str
    text: str = field(repr=False)


class MailRefused(Exception):  # read by the outbox: it is retried, and in the end dead-lettered
    """The mail server did not take the message; the text says at which step, never what stood in it."""


class Mailer(Protocol):
    """Hands mail to a server that delivers it."""

    def send(self, mail: Mail) -> None:
        """Return once the server has taken the message.

        Raises:
            MailRefused: it did not, or could not be reached safely.
        """
        ...
