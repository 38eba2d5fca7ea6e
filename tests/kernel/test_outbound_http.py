"""Requests to hosts that tenants name, sent to real sockets: where they may go, and how they end."""

import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import trustme

from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.outbound_addresses import AddressPolicy, IpAddress
from shifty_pipelines.kernel.outbound_http import FailureKind, Limits, OutboundFailure, OutboundHttp, OutboundPolicy
from tests.receivers import (
    drips,
    hangs,
    hangs_up,
    is_huge,
    raw_server,
    receiver,
    resets,
    resets_midway,
    talks_nonsense,
)

LOOPBACK = AddressPolicy((ip_network("127.0.0.1/32"),))
QUICK = Limits(connect_s=0.5, total_s=0.6, answer_bytes=64 * 1024)
OPEN = OutboundPolicy(LOOPBACK, allow_http=True)


def http(policy: OutboundPolicy = OPEN, **parts: object) -> OutboundHttp:
    return OutboundHttp(policy, limits=QUICK, **parts)  # type: ignore[arg-type]


def failure(client: OutboundHttp, url: str) -> str:
    with pytest.raises(OutboundFailure) as refusal:
        client.post(url, body=b"{}", headers={})
    return refusal.value.kind.value


def test_a_request_arrives_whole_and_its_answer_comes_back() -> None:
    with receiver() as server:
        server.answer = (202, {"X-Seen": "yes"})
        answer = http().post(server.url, body=b'{"a":1}', headers={"webhook-id": "msg_1"})
    assert (answer.status, answer.headers["x-seen"]) == (202, "yes")
    (request,) = server.received
    assert (request.path, request.body, request.headers["webhook-id"]) == ("/hook", b'{"a":1}', "msg_1")
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (hangs, FailureKind.TIMEOUT),
        (drips, FailureKind.TIMEOUT),
        (is_huge, FailureKind.TOO_LARGE),
        (resets, FailureKind.CONNECTION_LOST),
        (resets_midway, FailureKind.CONNECTION_LOST),
        (hangs_up, FailureKind.CONNECTION_LOST),
        (talks_nonsense, FailureKind.PROTOCOL_ERROR),
    ],
)
def test_a_bad_receiver_costs_no_more_than_the_limits(
    behave: Callable[[socket.socket], None], kind: FailureKind
) -> None:
    began = time.monotonic()
    with raw_server(behave) as port:
        assert failure(http(), f"http://127.0.0.1:{port}/") == kind
    assert time.monotonic() - began < 5 * QUICK.total_s


def test_a_redirect_is_an_answer_and_is_never_followed() -> None:
    with receiver() as target, receiver() as server:
        server.answer = (307, {"Location": target.url})
        assert http().post(server.url, body=b"{}", headers={}).status == 307
        assert target.received == []


def test_nobody_listening_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(http(), f"http://127.0.0.1:{port}/") == FailureKind.CONNECT_FAILED


# ---------------------------------------------------------------------------------------------------------- where to


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", str(ip_address(0)), "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"],
)
def test_no_spelling_of_this_machine_is_connected_to(host: str) -> None:
    with receiver() as server:
        client = http(OutboundPolicy(allow_http=True))
        assert failure(client, f"http://{host}:{server.port}/") == FailureKind.ADDRESS_REFUSED
    assert server.received == []


class Rebinding:
    """A name server of an attacker: the first answer is public, every later one is this machine."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[IpAddress]:
        self.asked += 1
        return [ip_address(one) for one in self.answers[min(self.asked, len(self.answers)) - 1]]


def test_a_name_that_changes_after_the_check_does_not_change_where_the_connection_goes() -> None:
    # 192.0.2.1 is nobody's (RFC 5737); allowed here, it stands for the public address that passes the check.
    policy = OutboundPolicy(AddressPolicy((ip_network("192.0.2.0/24"),)), allow_http=True)
    # Whoever resolves the name a second time, here or in the operating system, gets this machine.
    names = Rebinding(["192.0.2.1"], ["127.0.0.1"])
    with receiver() as server:
        kind = failure(http(policy, resolve=names), f"http://localhost:{server.port}/")
    assert kind in {FailureKind.TIMEOUT, FailureKind.CONNECT_FAILED}
    assert (names.asked, server.received) == (1, [])


def test_a_name_that_was_public_when_subscribed_is_judged_again_at_every_connection() -> None:
    with receiver() as server:
        client = http(OutboundPolicy(allow_http=True), resolve=Rebinding(["127.0.0.1"]))
        url = client.policy.checked_url(f"http://was-public.example:{server.port}/")
        assert failure(client, url) == FailureKind.ADDRESS_REFUSED
    assert server.received == []


def test_of_several_addresses_only_the_permitted_are_tried() -> None:
    with receiver() as server:
        names = Rebinding(["10.0.0.1", "169.254.169.254", "127.0.0.1"])
        answer = http(resolve=names).post(f"http://mixed.example:{server.port}/", body=b"", headers={})
    assert answer.status == 200
    assert server.received[0].headers["host"] == f"mixed.example:{server.port}"


def test_a_name_that_leads_nowhere_and_one_that_takes_too_long_are_failures_of_their_own() -> None:
    def unknown(_host: str, _port: int) -> Sequence[IpAddress]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def slow(_host: str, _port: int) -> Sequence[IpAddress]:
        time.sleep(2 * QUICK.total_s)
        return []

    assert failure(http(resolve=unknown), "http://nowhere.example/") == FailureKind.DNS_FAILED
    assert failure(http(resolve=slow), "http://slow.example/") == FailureKind.TIMEOUT
    assert failure(http(), f"http://{'a' * 64}.example/") == FailureKind.DNS_FAILED


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as proxy, receiver() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{proxy.port}")
        http().post(server.url, body=b"", headers={})
    assert (len(proxy.received), len(server.received)) == (0, 1)


# ---------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_tls_is_verified_against_the_name_though_the_connection_goes_to_its_address(
    authority: trustme.CA, ca_file: Path
) -> None:
    asked: list[str | None] = []
    tls = server_tls(authority, "hooks.example")
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiver(tls=tls) as server:
        client = http(OutboundPolicy(LOOPBACK), resolve=Rebinding(["127.0.0.1"]), ca_file=ca_file)
        answer = client.post(f"https://hooks.example:{server.port}/", body=b"{}", headers={})
        assert failure(client, f"https://other.example:{server.port}/") == FailureKind.TLS_FAILED
    assert answer.status == 200
    assert asked == ["hooks.example", "other.example"]
    assert server.received[0].headers["host"] == f"hooks.example:{server.port}"
    assert len(server.received) == 1


def test_a_certificate_of_an_unknown_authority_and_a_server_without_tls_are_refused(ca_file: Path) -> None:
    with receiver(tls=server_tls(trustme.CA(), "127.0.0.1")) as server, receiver() as plain:
        client = http(OutboundPolicy(LOOPBACK), ca_file=ca_file)
        assert failure(client, server.url) == FailureKind.TLS_FAILED
        assert failure(client, f"https://127.0.0.1:{plain.port}/") == FailureKind.TLS_FAILED
    assert server.received == plain.received == []


def test_plain_http_is_sent_only_where_the_setting_allows_it() -> None:
    with receiver() as server:
        assert failure(http(OutboundPolicy(LOOPBACK)), server.url) == FailureKind.SCHEME_REFUSED
    assert server.received == []


# --------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "hooks.example/x", "https://", "https:///x",
        "https://user:secret@hooks.example/", "https://hooks.example/#part", "https://10.0.0.1/", "https://[::1]/",
        "https://[::ffff:169.254.169.254]/", "https://hooks.example:99999/", "https://hooks.example/" + "a" * 2048,
        "https://hooks.example/\x00", "//hooks.example/", "javascript:alert(1)", " ", "https://[broken/",
    ],
)  # fmt: skip
def test_a_url_that_is_never_connected_to_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        OutboundPolicy().checked_url(url)
    assert refusal.value.details["field"] == "url"
    assert "secret" not in refusal.value.message


def test_a_good_url_keeps_its_meaning_in_one_spelling() -> None:
    checked = OutboundPolicy().checked_url
    assert checked("https://hooks.example/a?b=c") == "https://hooks.example/a?b=c"
    assert checked("HTTPS://Hooks.Example/A") == "https://hooks.example/A"
    assert checked("https://bücher.example/") == "https://xn--bcher-kva.example/"
