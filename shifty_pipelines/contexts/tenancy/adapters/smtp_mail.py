"""Mail by SMTP (RFC 5321) with the standard library: over TLS, or not at all unless the server is this machine.

`smtp://user:password@host:587` upgrades by STARTTLS (RFC 3207) and refuses a server that does not offer it;
`smtps://host:465` begins with TLS (RFC 8314); `smtp+plain://localhost:25` is for a relay on the machine itself.
"""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shifty_pipelines.contexts.tenancy.ports import Mail, MailRefused
from shifty_pipelines.kernel.errors import InvalidValue

#: Seconds for each step. All of them together stay under the outbox's lease of a minute.
TIMEOUT_S = 8.0
DEFAULT_PORTS: Mapping[str, int] = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
FORMS = "smtp://user:password@host:587, smtps://host:465, or smtp+plain://localhost:25 for a relay on this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed over, and as whom."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, url: str) -> "SmtpServer":
        """The server of a URL.

        Raises:
            InvalidValue: not one of the three forms; the URL is not shown, for it may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidValue("SHIFTY_SMTP_URL", "[redacted]", FORMS) from error
        is_known = parts.scheme in DEFAULT_PORTS and bool(parts.hostname)
        if not is_known or (parts.scheme == "smtp+plain" and parts.hostname not in THIS_MACHINE):
            raise InvalidValue("SHIFTY_SMTP_URL", "[redacted]", FORMS)
        return cls(
            scheme=parts.scheme,
            host=str(parts.hostname),
            port=port or DEFAULT_PORTS[parts.scheme],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class SmtpMail:
    """Hands every message over in a connection of its own.

    Args:
        sender: the From address.
        ca_file: certificates to trust instead of the system's, for a server with a private authority.
    """

    def __init__(self, server: SmtpServer, *, sender: str, ca_file: Path | None = None) -> None:
        self._server = server
        self._sender = sender
        self._ca_file = ca_file

    def send(self, mail: Mail) -> None:
        """Return once the server has taken the message.

        Raises:
            MailRefused: it did not, or could not be reached safely.
        """
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
        message.set_content(mail.text)
        try:
            with self._connect() as connection:
                if self._server.user is not None:
                    connection.login(self._server.user, self._server.password or "")
                connection.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            # The server's own words may repeat the recipient or the text.
            raise MailRefused(f"{type(error).__name__} from {self._server.host}:{self._server.port}") from None

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.scheme == "smtps":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=self._tls())
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        if server.scheme == "smtp":
            try:
                connection.starttls(context=self._tls())
            except (smtplib.SMTPException, OSError):
                connection.close()
                raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
