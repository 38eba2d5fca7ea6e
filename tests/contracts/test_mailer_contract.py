"""What every mailer promises; one suite, run on memory and on real SMTP servers: STARTTLS, TLS, plain."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shifty_pipelines.contexts.tenancy.adapters.memory_mail import MemoryMail
from shifty_pipelines.contexts.tenancy.adapters.smtp_mail import SmtpMail, SmtpServer
from shifty_pipelines.contexts.tenancy.ports import Mail, Mailer, MailRefused
from shifty_pipelines.kernel.errors import InvalidValue

SENDER = "shifty@platform.example"
USER, PASSWORD = "mailer", "p@ss/word"
MAIL = Mail(to="ada@example.com", subject="You are invited", text="Open this link:\nhttps://x.example/#token=abc\n")


@dataclass
class Certificate:
    """A server's certificate for 127.0.0.1, which is its own authority."""

    ca_file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Certificate(folder / "cert.pem", context)


class Inbox:
    """What a server took, and how it came."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.was_encrypted: list[bool] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        self.envelopes.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return self.answer


def authenticate(_server: SMTP, _s: Session, _e: Envelope, _m: str, auth_data: Any) -> AuthResult:
    good = isinstance(auth_data, LoginPassword) and (auth_data.login, auth_data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=good, handled=False)


Start = Callable[..., tuple[Inbox, int]]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Controller] = []

    def start_one(**options: Any) -> tuple[Inbox, int]:
        inbox = Inbox()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = Controller(inbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        return inbox, port

    yield start_one
    for controller in running:
        controller.stop()


def starttls_server(start: Start, certificate: Certificate) -> tuple[Inbox, int]:
    return start(
        tls_context=certificate.context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )


def mailer_at(url: str, certificate: Certificate | None = None) -> SmtpMail:
    return SmtpMail(SmtpServer.of(url), sender=SENDER, ca_file=certificate.ca_file if certificate else None)


@pytest.fixture(params=["memory", "starttls", "tls", "plain"])
def mailer(request: pytest.FixtureRequest, start: Start, certificate: Certificate) -> tuple[Mailer, Callable[[], int]]:
    """A mailer, and how many messages have arrived."""
    if request.param == "memory":
        memory = MemoryMail()
        return memory, lambda: len(memory.sent)
    if request.param == "starttls":
        inbox, port = starttls_server(start, certificate)
        mail = mailer_at(f"smtp://{USER}:p%40ss%2Fword@127.0.0.1:{port}", certificate)
    elif request.param == "tls":
        inbox, port = start(ssl_context=certificate.context)
        mail = mailer_at(f"smtps://127.0.0.1:{port}", certificate)
    else:
        inbox, port = start()
        mail = mailer_at(f"smtp+plain://127.0.0.1:{port}")
    return mail, lambda: len(inbox.envelopes)


def test_a_message_arrives_once(mailer: tuple[Mailer, Callable[[], int]]) -> None:
    send, arrived = mailer
    send.send(MAIL)
    assert arrived() == 1


def test_a_line_break_in_an_address_is_no_second_header(start: Start) -> None:
    inbox, port = start()
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        mailer_at(f"smtp+plain://127.0.0.1:{port}").send(
            Mail(to="a@b.example\nBcc: c@d.example", subject="x", text="x")
        )
    assert inbox.envelopes == []


def test_a_message_goes_encrypted_signed_in_and_as_it_was_written(start: Start, certificate: Certificate) -> None:
    inbox, port = starttls_server(start, certificate)
    mailer_at(f"smtp://{USER}:p%40ss%2Fword@127.0.0.1:{port}", certificate).send(MAIL)
    (envelope,) = inbox.envelopes
    assert inbox.was_encrypted == [True]
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, ["ada@example.com"])
    text = bytes(envelope.content or b"").decode()
    assert "Auto-Submitted: auto-generated" in text
    assert "https://x.example/#token=abc" in text


def test_a_server_without_starttls_gets_nothing(start: Start) -> None:
    inbox, port = start()
    with pytest.raises(MailRefused, match="SMTPNotSupportedError"):
        mailer_at(f"smtp://127.0.0.1:{port}").send(MAIL)
    assert inbox.envelopes == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_cannot_prove_its_name_gets_nothing(start: Start, certificate: Certificate, scheme: str) -> None:
    inbox, port = starttls_server(start, certificate) if scheme == "smtp" else start(ssl_context=certificate.context)
    with pytest.raises(MailRefused, match="SSLCertVerificationError"):
        mailer_at(f"{scheme}://127.0.0.1:{port}").send(MAIL)
    assert inbox.envelopes == []


def test_a_refusal_names_the_step_and_neither_recipient_nor_text(start: Start) -> None:
    inbox, port = start()
    inbox.answer = "550 ada@example.com does not want token=abc"
    with pytest.raises(MailRefused) as refusal:
        mailer_at(f"smtp+plain://127.0.0.1:{port}").send(MAIL)
    assert str(refusal.value) == f"SMTPDataError from 127.0.0.1:{port}"
    assert refusal.value.__cause__ is None


def test_a_wrong_password_is_a_refusal(start: Start, certificate: Certificate) -> None:
    _, port = starttls_server(start, certificate)
    with pytest.raises(MailRefused, match=smtplib.SMTPAuthenticationError.__name__):
        mailer_at(f"smtp://{USER}:wrong@127.0.0.1:{port}", certificate).send(MAIL)


def test_a_server_that_is_not_there_is_a_refusal(start: Start) -> None:
    with pytest.raises(MailRefused, match="ConnectionRefusedError"):
        mailer_at("smtp+plain://127.0.0.1:1").send(MAIL)


@pytest.mark.parametrize(
    "url",
    [
        "smtp+plain://mail.example.com",
        "http://mail.example.com",
        "smtps:///inbox",
        "mail.example.com:25",
        "smtp://h:99999",
    ],
)
def test_an_address_that_is_none_or_would_send_in_the_clear_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidValue, match="redacted") as refusal:
        SmtpServer.of(url)
    assert url not in str(refusal.value)


def test_what_a_server_is_shown_as_holds_no_password() -> None:
    server = SmtpServer.of("smtp://u:s3cret@mail.example.com")
    assert (server.port, server.password) == (587, "s3cret")
    assert "s3cret" not in repr(server)
