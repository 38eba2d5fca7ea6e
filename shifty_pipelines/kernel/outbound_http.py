"""HTTP requests to hosts that tenants name: checked at connect time, bounded in time and size, never redirected.

A name is resolved once, every address is judged, and the connection goes to a judged address, so a name that changes
between the check and the connection (DNS rebinding) gains nothing. TLS is verified against the name, not the address.
No proxy of the environment is used: it would connect in our place, unchecked. One connection carries one request.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import httpx

from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.outbound_addresses import AddressPolicy, IpAddress

MAX_URL_CHARS = 2048
#: Addresses of one name that are tried, one after the other.
MAX_TRIED_ADDRESSES = 3

MAX_PORT = 65_535
_NAME = re.compile(r"[\w.-]+")

Resolver = Callable[[str, int], Sequence[IpAddress]]


class FailureKind(StrEnum):
    """Why there is no answer; stands in logs, hence no addresses or texts of the other side."""

    ADDRESS_REFUSED = "address_refused"
    SCHEME_REFUSED = "scheme_refused"
    DNS_FAILED = "dns_failed"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL_ERROR = "protocol_error"
    TOO_LARGE = "too_large"


class OutboundFailure(Exception):
    """The request got no whole answer."""

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """A whole answer, whatever its status; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large one exchange may get.

    Attributes:
        connect_s: for each of resolving, connecting and the TLS handshake.
        total_s: from the call to the last byte of the answer; Standard Webhooks recommends 15 to 30.
        answer_bytes: of the answer's body; more is a failure.
    """

    connect_s: float = 5.0
    total_s: float = 15.0
    answer_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Where requests may go."""

    addresses: AddressPolicy = field(default_factory=AddressPolicy)
    allow_http: bool = False

    def checked_url(self, text: str) -> str:
        """The URL in its one spelling. A name is not resolved here: what counts is where it leads when it is used.

        Raises:
            InvalidValue: not a URL we would ever connect to.
        """
        if len(text) > MAX_URL_CHARS:
            raise InvalidValue("url", text, f"at most {MAX_URL_CHARS} characters")
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidValue("url", text, "an absolute URL, e.g. https://hooks.example.com/shifty") from error
        if url.scheme not in self._schemes() or not _is_host(url.host):
            raise InvalidValue("url", text, f"an absolute URL that begins with {' or '.join(self._schemes())}://")
        if url.port is not None and not 1 <= url.port <= MAX_PORT:
            raise InvalidValue("url", text, f"a port from 1 to {MAX_PORT}")
        if url.userinfo:
            raise InvalidValue("url", "…", "no user or password in it; the signature proves who sends")
        if url.fragment:
            raise InvalidValue("url", text, "no part after '#', which is never sent")
        literal = _literal(url.host)
        if literal is not None and not self.addresses.permits(literal):
            raise InvalidValue("url", text, "a public address; an operator may allow SHIFTY_OUTBOUND_ALLOWED_NETWORKS")
        return str(url)

    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self.allow_http else ("https",)


def system_resolver(host: str, port: int) -> Sequence[IpAddress]:
    """What the operating system resolves a name to, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class OutboundHttp:
    """Sends single requests; safe to use from any number of threads.

    Args:
        policy: where requests may go.
        limits: how long and large they may get.
        resolve: names to addresses.
        ca_file: certificates to trust instead of the system's.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        limits: Limits | None = None,
        resolve: Resolver = system_resolver,
        ca_file: Path | None = None,
    ) -> None:
        self.policy = policy
        self.limits = limits or Limits()
        self._resolve = resolve
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        # Resolving knows no timeout of its own; its threads may outlive the request that waited for them.
        self._resolvers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> OutboundAnswer:
        """POST the body; 3xx is an answer like any other.

        Raises:
            OutboundFailure: no whole answer in time and size, or the address is refused.
        """
        target = httpx.URL(url)
        if target.scheme != "https" and not (self.policy.allow_http and target.scheme == "http"):
            raise OutboundFailure(FailureKind.SCHEME_REFUSED)
        where = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        deadline = time.monotonic() + self.limits.total_s
        backend = _CheckedBackend(self._addresses, deadline)
        try:
            with httpcore.HTTPConnection(where.origin, ssl_context=self._tls, network_backend=backend) as connection:
                return self._exchange(connection, where, body, headers)
        except httpcore.TimeoutException:
            raise OutboundFailure(FailureKind.TIMEOUT) from None
        except httpcore.ConnectError:
            raise OutboundFailure(FailureKind.CONNECT_FAILED) from None
        except httpcore.NetworkError:
            raise OutboundFailure(FailureKind.CONNECTION_LOST) from None
        except httpcore.ProtocolError:
            # A reset that is noticed while sending reads as an early end: the same thing, so the same name.
            is_cut = backend.end.is_reached
            raise OutboundFailure(FailureKind.CONNECTION_LOST if is_cut else FailureKind.PROTOCOL_ERROR) from None

    def close(self) -> None:
        """Start no more look-ups."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def _exchange(
        self, connection: httpcore.HTTPConnection, url: httpcore.URL, body: bytes, headers: Mapping[str, str]
    ) -> OutboundAnswer:
        sent = list({"accept-encoding": "identity", "connection": "close", **headers}.items())
        with connection.stream("POST", url, headers=sent, content=body, extensions=self._timeouts()) as response:
            received = bytearray()
            for chunk in response.iter_stream():
                received += chunk
                if len(received) > self.limits.answer_bytes:
                    raise OutboundFailure(FailureKind.TOO_LARGE)
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            return OutboundAnswer(response.status, found, bytes(received))

    def _timeouts(self) -> dict[str, Any]:
        limits = self.limits
        return {"timeout": {"connect": limits.connect_s, "read": limits.total_s, "write": limits.total_s}}

    def _addresses(self, host: str, port: int, timeout_s: float) -> Sequence[IpAddress]:
        """The permitted addresses of a name, resolved this once."""
        literal = _literal(host)
        try:
            found = (
                [literal]
                if literal is not None
                else self._resolvers.submit(self._resolve, host, port).result(timeout=timeout_s)
            )
        except TimeoutError:
            raise OutboundFailure(FailureKind.TIMEOUT) from None
        except (OSError, UnicodeError):
            raise OutboundFailure(FailureKind.DNS_FAILED) from None
        permitted = [address for address in found if self.policy.addresses.permits(address)]
        if not permitted:
            raise OutboundFailure(FailureKind.ADDRESS_REFUSED)
        return permitted[:MAX_TRIED_ADDRESSES]


@dataclass(slots=True)
class _End:
    """Whether the peer has ended the connection."""

    is_reached: bool = False


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to judged addresses only, and lets nothing last beyond the deadline."""

    def __init__(self, addresses: Callable[[str, int, float], Sequence[IpAddress]], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self.end = _End()
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the first permitted address that answers."""

        def connect(address: str, port: int) -> httpcore.NetworkStream:
            left_s = _left_s(self._deadline, timeout)
            stream = self._sockets.connect_tcp(address, port, left_s, local_address, socket_options)
            return _DeadlineStream(stream, self._deadline, self.end)

        permitted = self._addresses(host, port, _left_s(self._deadline, timeout))
        for address in permitted[:-1]:
            try:
                return connect(str(address), port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return connect(str(permitted[-1]), port)


class _DeadlineStream(httpcore.NetworkStream):
    """A stream whose every operation ends at the deadline: a peer that sends one byte a second gains no time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float, end: _End) -> None:
        self._stream = stream
        self._deadline = deadline
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, waiting no longer than the deadline."""
        received = self._stream.read(max_bytes, _left_s(self._deadline, timeout))
        self._end.is_reached = not received
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._stream.write(buffer, _left_s(self._deadline, timeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Verified TLS, with the name that the URL gave."""
        try:
            inner = self._stream.start_tls(ssl_context, server_hostname, _left_s(self._deadline, timeout))
        except httpcore.ConnectError:
            raise OutboundFailure(FailureKind.TLS_FAILED) from None
        return _DeadlineStream(inner, self._deadline, self._end)

    def get_extra_info(self, info: str) -> Any:
        """Whatever the stream knows of itself."""
        return self._stream.get_extra_info(info)


def _left_s(deadline: float, wanted_s: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left if wanted_s is None else min(left, wanted_s)


def _is_host(host: str) -> bool:
    return _NAME.fullmatch(host) is not None or _literal(host) is not None


def _literal(host: str) -> IpAddress | None:
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
