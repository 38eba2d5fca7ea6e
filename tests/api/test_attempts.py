"""Guessing passwords: it gets slow for the guesser, for nobody else, and says nothing about who exists."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from shifty_pipelines.api.app import create_app
from shifty_pipelines.api.catalogue import GATEWAY
from shifty_pipelines.api.client_address import first_untrusted
from shifty_pipelines.contexts.tenancy.domain import ACCOUNT_BACKOFF, network_of
from shifty_pipelines.settings import IpNetwork, Settings
from tests.api.conftest import PASSWORD, House, platform_on, random_address
from tests.conftest import TestServer

OWNER, ATTACKER = "198.51.100.1", "203.0.113.66"
WRONG = "wrong password"


def attempt(house: House, email: str, password: str = WRONG, address: str = ATTACKER) -> Any:
    return house.client(address).post("/api/v1/auth/login", json={"email": email, "password": password})


def statuses(house: House, email: str, count: int, **options: Any) -> list[int]:
    return [attempt(house, email, **options).status_code for _ in range(count)]


def test_five_wrong_passwords_are_free_and_then_each_waits_twice_as_long(house: House) -> None:
    email = house.world.owner.email
    assert statuses(house, email, 6) == [401] * 5 + [429]
    for wait_s in (1, 2, 4, 8):
        refused = attempt(house, email)
        assert (refused.status_code, refused.json()["code"]) == (429, "auth.too_many_attempts")
        assert refused.headers["retry-after"] == str(wait_s)
        house.clock.advance(timedelta(seconds=wait_s) - timedelta(milliseconds=1))
        assert attempt(house, email).status_code == 429
        house.clock.advance(timedelta(milliseconds=1))
        assert attempt(house, email).status_code == 401


@pytest.mark.parametrize(("failures", "wait_s"), [(0, 0), (4, 0), (5, 1), (6, 2), (14, 512), (15, 900), (10**9, 900)])
def test_the_wait_doubles_from_a_second_to_a_quarter_of_an_hour(failures: int, wait_s: int) -> None:
    assert ACCOUNT_BACKOFF.wait(failures) == timedelta(seconds=wait_s)


def test_an_attacker_elsewhere_cannot_lock_the_owner_out(house: House) -> None:
    email = house.world.owner.email
    for number in range(20):
        statuses(house, email, 6, address=f"203.0.113.{number}")
    assert attempt(house, email, PASSWORD, OWNER).status_code == 200


def test_waiting_while_blocked_is_not_made_longer_by_asking(house: House) -> None:
    email = house.world.owner.email
    statuses(house, email, 50)
    house.clock.advance(timedelta(seconds=1))
    assert attempt(house, email, PASSWORD).status_code == 200


def test_the_right_password_is_refused_while_blocked(house: House) -> None:
    statuses(house, house.world.owner.email, 6)
    assert attempt(house, house.world.owner.email, PASSWORD).status_code == 429


def test_a_success_forgives_the_account_at_this_address(house: House) -> None:
    email = house.world.owner.email
    assert statuses(house, email, 4) == [401] * 4
    assert attempt(house, email, PASSWORD).status_code == 200
    assert statuses(house, email, 6) == [401] * 5 + [429]


def test_failures_are_forgotten_a_day_after_the_last(house: House) -> None:
    email = house.world.owner.email
    statuses(house, email, 5)
    house.clock.advance(timedelta(hours=24))
    assert statuses(house, email, 6) == [401] * 5 + [429]


def test_guessing_many_accounts_from_one_address_is_slowed_too(house: House) -> None:
    assert [attempt(house, f"{n}@nowhere.example").status_code for n in range(101)] == [401] * 100 + [429]
    assert attempt(house, house.world.owner.email, PASSWORD).status_code == 429
    assert attempt(house, house.world.owner.email, PASSWORD, OWNER).status_code == 200


def test_a_guesser_with_an_account_does_not_buy_guesses_with_sign_ins(house: House) -> None:
    """Signing in forgives that one attempt of the address, never the wrong ones."""
    for number in range(100):
        assert attempt(house, f"{number}@nowhere.example").status_code == 401
        house.clock.advance(timedelta(seconds=1))
        if number % 10 == 0 and number < 99:
            assert attempt(house, house.world.member.email, PASSWORD).status_code == 200
    house.clock.advance(timedelta(seconds=1))
    assert attempt(house, "100@nowhere.example").status_code == 401
    assert attempt(house, "101@nowhere.example").status_code == 429


def test_addresses_of_one_ipv6_network_are_one_client(house: House) -> None:
    email = house.world.owner.email
    found = [attempt(house, email, address=f"2001:db8:0:1::{n:x}").status_code for n in range(1, 7)]
    assert found == [401] * 5 + [429]
    assert attempt(house, email, address="2001:db8:0:2::1").status_code == 401


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


def test_an_unknown_account_is_counted_and_answered_like_a_known_one(house: House) -> None:
    known = [attempt(house, house.world.owner.email) for _ in range(7)]
    unknown = [attempt(house, "nobody@nowhere.example") for _ in range(7)]
    for one, other in zip(known, unknown, strict=True):
        assert one.status_code == other.status_code
        assert {**one.json(), "correlationId": ""} == {**other.json(), "correlationId": ""}
        assert one.headers.get("retry-after") == other.headers.get("retry-after")


def work_of(house: House, action: Callable[[], Any]) -> tuple[int, int]:
    """How many statements and how many password checks an action takes."""
    checked: list[str] = []
    statements: list[str] = []
    hasher = house.platform.passwords
    matches = type(hasher).matches

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(house.platform.app.engine, "before_cursor_execute", note)
    object.__setattr__(
        hasher, "matches", lambda encoded, password: checked.append(encoded) or matches(hasher, encoded, password)
    )
    try:
        action()
    finally:
        event.remove(house.platform.app.engine, "before_cursor_execute", note)
        del hasher.matches  # type: ignore[attr-defined]
    return len(statements), len(checked)


def test_an_unknown_address_takes_the_same_work_as_a_wrong_password(house: House) -> None:
    # The first refusal of each client is audited, hence two clients.
    known = work_of(house, lambda: attempt(house, house.world.owner.email, address="203.0.113.1"))
    unknown = work_of(house, lambda: attempt(house, "nobody@nowhere.example", address="203.0.113.2"))
    assert known == unknown
    assert known[1] == 1


def test_forty_guesses_at_once_get_no_more_through_than_one_after_another(house: House) -> None:
    found: list[int] = []
    clients = [house.client(ATTACKER) for _ in range(40)]
    body = {"email": house.world.owner.email, "password": "wrong password"}
    threads = [
        threading.Thread(target=lambda c=c: found.append(c.post("/api/v1/auth/login", json=body).status_code))
        for c in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [401] * 5 + [429] * 35


def test_no_address_stands_in_the_counters_and_old_ones_go(house: House) -> None:
    for number in range(30):
        attempt(house, f"{number}@nowhere.example")
    assert house.rows("SELECT 1 FROM sign_in_attempts t WHERE t::text LIKE '%%nowhere%%'") == []
    # 30 accounts, one address, and the address that the world was made from.
    assert house.rows("SELECT count(*) FROM sign_in_attempts") == [(32,)]
    house.clock.advance(timedelta(days=2))
    for _ in range(2):
        attempt(house, "last@nowhere.example")
    assert house.rows("SELECT count(*) FROM sign_in_attempts") == [(2,)]


def test_being_slowed_is_audited(house: House) -> None:
    statuses(house, house.world.owner.email, 7)
    rows = house.rows(
        "SELECT details ->> 'caller' FROM audit_events WHERE details ->> 'code' = 'auth.too_many_attempts'"
    )
    assert rows == [(ATTACKER,)]


def test_accepting_is_no_way_to_make_the_server_hash_for_ever(house: House) -> None:
    body = {"token": "nothing", "password": PASSWORD, "firstName": "A", "lastName": "B"}
    client = house.client(ATTACKER)
    found = [client.post("/api/v1/auth/accept-invitation", json=body).status_code for _ in range(6)]
    assert found == [409] * 5 + [429]


def networks(*texts: str) -> tuple[IpNetwork, ...]:
    return Settings(trusted_proxies=",".join(texts)).trusted_proxies  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peer", "header", "trusted", "client"),
    [
        pytest.param("203.0.113.9", ["10.0.0.1"], [], "203.0.113.9", id="nobody is trusted by default"),
        pytest.param("127.0.0.1", ["10.0.0.1"], [], "127.0.0.1", id="not even this machine"),
        pytest.param("10.0.0.1", ["203.0.113.9"], ["10.0.0.0/8"], "203.0.113.9", id="a proxy tells"),
        pytest.param("10.0.0.1", ["1.2.3.4", "203.0.113.9"], ["10.0.0.0/8"], "203.0.113.9", id="a forged left part"),
        pytest.param("10.0.0.1", ["203.0.113.9", "10.0.0.2"], ["10.0.0.0/8"], "203.0.113.9", id="two proxies"),
        pytest.param("10.0.0.1", ["10.0.0.7"], ["10.0.0.0/8"], "10.0.0.7", id="a client among the proxies"),
        pytest.param("10.0.0.1", [""], ["10.0.0.0/8"], "10.0.0.1", id="no header"),
        pytest.param("10.0.0.1", ["203.0.113.9", "junk"], ["10.0.0.0/8"], "10.0.0.1", id="junk ends it"),
        pytest.param("::ffff:10.0.0.1", ["203.0.113.9"], ["10.0.0.0/8"], "203.0.113.9", id="mapped"),
        pytest.param("fd00::1", [" 2001:db8::9 "], ["fd00::/8"], "2001:db8::9", id="ipv6"),
    ],
)
def test_whose_x_forwarded_for_is_believed(peer: str, header: list[str], trusted: list[str], client: str) -> None:
    assert first_untrusted(peer, header, networks(*trusted)) == client


def test_behind_a_named_proxy_two_clients_are_two_and_a_forged_header_is_none(
    postgres: TestServer, fresh_database_name: str, tmp_path: Path
) -> None:
    platform = platform_on(postgres, fresh_database_name, tmp_path, trusted_proxies="10.0.0.0/8")
    proxy = TestClient(create_app(platform, GATEWAY), client=("10.0.0.1", 5000))
    direct = TestClient(create_app(platform, GATEWAY), client=("203.0.113.5", 5000))
    body = {"email": random_address(), "password": "wrong password"}

    def post(client: TestClient, forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return client.post("/api/v1/auth/login", json=body, headers=headers).status_code

    try:
        assert [post(proxy, f"9.9.9.{n}, 203.0.113.7") for n in range(6)] == [401] * 5 + [429]
        assert post(proxy, "203.0.113.8") == 401
        assert [post(direct, f"9.9.9.{n}") for n in range(6)] == [401] * 5 + [429]
    finally:
        platform.dispose()


def test_metrics_are_not_given_to_whom_a_proxy_on_this_machine_speaks_for(house: House) -> None:
    local = house.client("127.0.0.1")
    assert local.get("/metrics").status_code == 200
    assert local.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 403
