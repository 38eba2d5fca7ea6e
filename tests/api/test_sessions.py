"""Sessions over HTTP: refreshing, copies of refresh tokens, passwords, and what ends a session."""

import threading
from datetime import timedelta
from typing import Any

import jwt
import pytest

from shifty_pipelines.contexts.tenancy.errors import LastOwner
from shifty_pipelines.contexts.tenancy.schemas import UpdateUser
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from tests.api.conftest import PASSWORD, House, Person, make_world

SUPERSEDED = (409, "auth.refresh_superseded")
INVALID = (401, "auth.invalid_token")
OTHER_PASSWORD = "another horse, another battery"


def login(house: House, person: Person, password: str = PASSWORD) -> dict[str, Any]:
    answer = house.client().post("/api/v1/auth/login", json={"email": person.email, "password": password})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refresh(house: House, token: str) -> Any:
    return house.client().post("/api/v1/auth/refresh", json={"refreshToken": token})


def refreshed(house: House, token: str) -> dict[str, Any]:
    answer = refresh(house, token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def verify(house: House, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return int(house.client().post("/api/v1/auth/verify", headers=headers).status_code)


def test_refreshing_renews_the_token_and_not_the_sessions_end(house: House) -> None:
    session = login(house, house.world.member)
    house.clock.advance(timedelta(hours=23))
    renewed = refreshed(house, session["refreshToken"])
    assert set(renewed) == {"token", "refreshToken", "expiresAt", "sessionExpiresAt"}
    assert renewed["refreshToken"] != session["refreshToken"]
    assert renewed["sessionExpiresAt"] == session["sessionExpiresAt"]
    house.clock.advance(timedelta(hours=2))  # the first token's day is over
    assert (verify(house, session["token"]), verify(house, renewed["token"])) == (401, 200)
    first, second = (jwt.decode(s["token"], options={"verify_signature": False}) for s in (session, renewed))
    assert (first["jti"], second["exp"] - first["exp"]) == (second["jti"], 23 * 3600)


def test_a_session_ends_thirty_days_after_its_sign_in_however_often_it_is_refreshed(house: House) -> None:
    token = login(house, house.world.member)["refreshToken"]
    for _ in range(3):
        house.clock.advance(timedelta(days=9, hours=23))
        token = refreshed(house, token)["refreshToken"]
    house.clock.advance(timedelta(hours=3))
    assert outcome(refresh(house, token)) == INVALID


def test_the_last_token_of_a_session_ends_with_it(house: House) -> None:
    token = login(house, house.world.member)["refreshToken"]
    house.clock.advance(timedelta(days=29, hours=23))
    last = refreshed(house, token)
    assert last["expiresAt"] == last["sessionExpiresAt"]
    house.clock.advance(timedelta(hours=1))
    assert verify(house, last["token"]) == 401


def test_a_refresh_token_used_a_moment_ago_gets_nothing_and_ends_nothing(house: House) -> None:
    session = login(house, house.world.member)
    renewed = refreshed(house, session["refreshToken"])
    house.clock.advance(timedelta(seconds=10))
    assert outcome(refresh(house, session["refreshToken"])) == SUPERSEDED
    assert refresh(house, renewed["refreshToken"]).status_code == 200


def test_a_copy_of_a_used_refresh_token_ends_the_session_and_is_audited(house: House) -> None:
    session = login(house, house.world.member)
    renewed = refreshed(house, session["refreshToken"])
    house.clock.advance(timedelta(seconds=11))
    assert outcome(refresh(house, session["refreshToken"])) == INVALID
    # Whoever has the next one, thief or owner, has nothing any more, and neither has the token.
    assert outcome(refresh(house, renewed["refreshToken"])) == INVALID
    assert verify(house, renewed["token"]) == 401
    assert house.audited("session.refresh_reused") == 1
    # Asked again it stays one event; and another session of the same person lives.
    refresh(house, session["refreshToken"])
    assert house.audited("session.refresh_reused") == 1
    assert verify(house, house.world.member.token) == 200


def test_of_eight_refreshes_at_once_one_gets_the_next_token(house: House) -> None:
    token = login(house, house.world.member)["refreshToken"]
    answers: list[Any] = []
    clients = [house.client() for _ in range(8)]
    body = {"refreshToken": token}
    threads = [
        threading.Thread(target=lambda c=client: answers.append(c.post("/api/v1/auth/refresh", json=body)))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7, [a.text for a in answers]
    (won,) = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert refresh(house, won["refreshToken"]).status_code == 200


def test_logging_out_ends_the_refresh_tokens_too(house: House) -> None:
    session = login(house, house.world.member)
    house.client().post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {session['token']}"})
    assert outcome(refresh(house, session["refreshToken"])) == INVALID


@pytest.mark.parametrize("guess", ["refresh_" + "A" * 43, "x", "é\u0000", "' OR 1=1 --"])
def test_a_refresh_token_that_never_was_is_401(house: House, guess: str) -> None:
    assert outcome(refresh(house, guess)) == INVALID


def test_a_refresh_token_is_no_bearer_token_and_a_token_no_refresh_token(house: House) -> None:
    session = login(house, house.world.member)
    assert verify(house, session["refreshToken"]) == 401
    assert refresh(house, session["token"]).status_code == 400  # longer than any of ours


def test_a_refresh_token_is_kept_as_a_hash_only(house: House) -> None:
    session = login(house, house.world.member)
    for table in ("refresh_tokens", "platform.refresh_index"):
        assert house.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s", f"%{session['refreshToken']}%") == []
        statement = f"SELECT count(*) FROM {table} WHERE token_hash = sha256(%s::bytea)"
        assert house.rows(statement, session["refreshToken"]) == [(1,)]


def test_refreshing_for_ever_keeps_a_hundred_tokens(house: House) -> None:
    token = login(house, house.world.member)["refreshToken"]
    for _ in range(105):
        house.clock.advance(timedelta(seconds=1))
        token = refreshed(house, token)["refreshToken"]
    statement = (
        "SELECT count(*) FROM refresh_tokens r JOIN sign_ins s ON s.id = r.sign_in_id WHERE s.user_id = %s"
        " GROUP BY s.id ORDER BY 1"
    )
    assert house.rows(statement, house.world.member.id) == [(1,), (100,)]
    assert refresh(house, token).status_code == 200


def test_expired_refresh_tokens_leave_the_table_and_the_index(house: House) -> None:
    login(house, house.world.member)
    house.clock.advance(timedelta(days=31))
    login(house, house.world.member)
    assert house.rows("SELECT count(*) FROM refresh_tokens") == [(1,)]
    assert house.rows("SELECT count(*) FROM platform.refresh_index") == [(1,)]


def test_changing_the_password_ends_the_other_sessions_and_keeps_this_one(house: House) -> None:
    this, other = login(house, house.world.member), login(house, house.world.member)
    body = {"presentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
    headers = {"Authorization": f"Bearer {this['token']}"}
    assert house.client().post("/api/v1/auth/password", json=body, headers=headers).status_code == 200
    assert (verify(house, this["token"]), verify(house, other["token"])) == (200, 401)
    assert outcome(refresh(house, other["refreshToken"])) == INVALID
    assert refresh(house, this["refreshToken"]).status_code == 200
    old = house.client().post("/api/v1/auth/login", json={"email": house.world.member.email, "password": PASSWORD})
    assert old.status_code == 401
    login(house, house.world.member, OTHER_PASSWORD)
    assert house.audited("user.password_changed") == 1


def test_a_password_is_not_changed_without_the_present_one(house: House) -> None:
    body = {"presentPassword": "wrong", "newPassword": OTHER_PASSWORD}
    answer = house.world.member.call("POST", "/api/v1/auth/password", json=body)
    assert outcome(answer) == (403, "auth.wrong_password")
    login(house, house.world.member)


def test_a_stolen_session_cannot_guess_the_password_for_ever(house: House) -> None:
    statuses = [
        house.world.member.call(
            "POST", "/api/v1/auth/password", json={"presentPassword": f"guess {n}", "newPassword": OTHER_PASSWORD}
        ).status_code
        for n in range(7)
    ]
    assert statuses == [403] * 5 + [429] * 2


def test_losing_active_ends_sessions_refresh_tokens_and_keys_for_good(house: House) -> None:
    member = house.world.member
    session = login(house, member)
    path = f"/api/v1/tenants/{house.world.tenant_id}/api-keys"
    key = member.data("POST", path, json={"name": "ci", "scopes": ["read"]})["key"]
    house.world.owner.data("PUT", f"/api/v1/users/{member.id}", json={"status": "suspended"})
    house.world.owner.data("PUT", f"/api/v1/users/{member.id}", json={"status": "active"})
    assert [verify(house, token) for token in (session["token"], key)] == [401, 401]
    assert outcome(refresh(house, session["refreshToken"])) == INVALID
    login(house, member)


def test_a_deleted_tenant_leaves_no_way_in(house: House) -> None:
    session = login(house, house.world.member)
    house.world.owner.call("DELETE", f"/api/v1/tenants/{house.world.tenant_id}")
    assert outcome(refresh(house, session["refreshToken"])) == INVALID
    for table in ("refresh_index", "api_key_index", "login_identities"):
        statement = f"SELECT count(*) FROM platform.{table} WHERE tenant_id = %s"
        assert house.rows(statement, house.world.tenant_id) == [(0,)], table


def test_not_even_the_operator_takes_the_last_owner_away(house: House) -> None:
    import uuid

    tenant = TenantId(uuid.UUID(house.world.tenant_id))
    for change in ({"role": "admin"}, {"status": "inactive"}):
        with pytest.raises(LastOwner), house.platform.open(system_actor(tenant)) as services:
            services.tenancy.update_user(uuid.UUID(house.world.owner.id), UpdateUser.model_validate(change))
    with house.platform.open(system_actor(tenant)) as services:
        services.tenancy.update_user(
            uuid.UUID(house.world.people[Role.ADMIN].id), UpdateUser.model_validate({"role": "owner"})
        )
        services.tenancy.update_user(uuid.UUID(house.world.owner.id), UpdateUser.model_validate({"role": "admin"}))


def test_a_refresh_token_of_one_tenant_stays_in_it(house: House) -> None:
    other = make_world(house.platform, house.client())
    renewed = refreshed(house, login(house, other.member)["refreshToken"])
    headers = {"Authorization": f"Bearer {renewed['token']}"}
    assert house.client().get(f"/api/v1/tenants/{house.world.tenant_id}", headers=headers).status_code == 404
    assert house.client().get(f"/api/v1/tenants/{other.tenant_id}", headers=headers).status_code == 200
