"""Invitations over HTTP: what the inviter fixes, what a link is good for, and what nobody learns."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import PASSWORD, House, Person, World, make_world, random_address, random_id

UNUSABLE = (409, "auth.invitation_unusable")


def invite(inviter: Person, world: World, email: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"email": email or random_address(), **fields}
    answer = inviter.call("POST", f"/api/v1/tenants/{world.tenant_id}/invitations", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def accept(client: TestClient, token: str, password: str = PASSWORD, **fields: Any) -> Any:
    body = {"token": token, "password": password, "firstName": "Ada", "lastName": "Lovelace", **fields}
    return client.post("/api/v1/auth/accept-invitation", json=body)


def outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def listed(world: World) -> list[dict[str, Any]]:
    return list(world.owner.data("GET", f"/api/v1/tenants/{world.tenant_id}/invitations"))


def test_an_invited_person_is_what_the_inviter_fixed_and_is_signed_in(house: House) -> None:
    invited = invite(house.world.owner, house.world, "Grace@Navy.example", role="admin", grants=["lead", "auditor"])
    # A role in the acceptance is nobody's to say, and is ignored.
    answer = accept(house.client(), invited["token"], role="owner")
    assert answer.status_code == 201
    user = answer.json()["data"]["user"]
    assert (user["email"], user["role"], user["grants"]) == ("grace@navy.example", "admin", ["auditor", "lead"])
    assert user["tenantId"] == house.world.tenant_id
    headers = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
    assert house.client().post("/api/v1/auth/verify", headers=headers).json()["user"]["id"] == user["id"]
    login = house.client().post("/api/v1/auth/login", json={"email": "grace@navy.example", "password": PASSWORD})
    assert login.status_code == 200
    (shown,) = listed(house.world)
    assert (shown["status"], shown["acceptedBy"]) == ("accepted", user["id"])


def test_the_link_is_shown_once_with_its_secret_where_no_server_sees_it(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    assert invited["link"] == f"http://localhost:3000/accept-invitation#token={invited['token']}"
    assert "token" not in listed(house.world)[0]
    assert "link" not in listed(house.world)[0]


def test_the_secret_is_in_no_table(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    house.world.drain()
    found = [
        table
        for (table,) in house.rows("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN"
                                   " ('public'::regnamespace, 'platform'::regnamespace)")
        if house.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s", f"%{invited['token']}%")
    ]  # fmt: skip
    assert found == []
    assert house.rows("SELECT count(*) FROM invitations WHERE link_hash = sha256(%s::bytea)", invited["token"]) == [
        (1,)
    ]


def test_a_used_invitation_cannot_be_used_again(house: House) -> None:
    token = invite(house.world.owner, house.world)["token"]
    assert accept(house.client(), token).status_code == 201
    assert outcome(accept(house.client(), token)) == UNUSABLE


def test_of_eight_who_accept_at_once_one_is_the_member(house: House) -> None:
    token = invite(house.world.owner, house.world)["token"]
    clients = [house.client(f"203.0.113.{n}") for n in range(8)]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda client=client: answers.append(accept(client, token))) for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert house.rows("SELECT count(*) FROM users WHERE tenant_id = %s", house.world.tenant_id) == [(5,)]


def test_an_invitation_ends_at_its_time(house: House) -> None:
    tokens = [invite(house.world.owner, house.world, expiresInDays=3)["token"] for _ in range(2)]
    house.clock.advance(timedelta(days=3, seconds=-1))
    assert accept(house.client(), tokens[0]).status_code == 201
    house.clock.advance(timedelta(seconds=1))
    assert outcome(accept(house.client(), tokens[1])) == UNUSABLE


def test_a_revoked_invitation_cannot_be_used(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations/{invited['id']}"
    assert house.world.owner.call("DELETE", path).status_code == 200
    assert house.world.owner.call("DELETE", path).status_code == 200
    assert outcome(accept(house.client(), invited["token"])) == UNUSABLE


def test_an_accepted_invitation_is_not_revoked(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    accept(house.client(), invited["token"])
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations/{invited['id']}"
    assert outcome(house.world.owner.call("DELETE", path)) == (409, "tenancy.invitation_closed")


def test_inviting_an_address_again_ends_the_earlier_invitation(house: House) -> None:
    email = random_address()
    first, second = (invite(house.world.owner, house.world, email) for _ in range(2))
    assert outcome(accept(house.client(), first["token"])) == UNUSABLE
    assert accept(house.client(), second["token"]).status_code == 201


def test_inviting_an_address_of_another_tenant_answers_and_mails_like_any_other(house: House) -> None:
    other = make_world(house.platform, house.client())
    known, unknown = invite(house.world.owner, house.world, other.member.email), invite(house.world.owner, house.world)
    house.world.drain()
    assert {key: type(value) for key, value in known.items()} == {key: type(value) for key, value in unknown.items()}
    assert (known["status"], len(known["token"])) == ("pending", len(unknown["token"]))
    texts = [re.sub(r"#token=\S+", "", mail.text) for mail in house.mail.sent]
    assert [mail.to for mail in house.mail.sent] == [known["email"], unknown["email"]]
    assert texts[0] == texts[1]


def test_accepting_for_an_address_of_another_tenant_says_no_more_than_that_it_cannot_be(house: House) -> None:
    other = make_world(house.platform, house.client())
    taken = invite(house.world.owner, house.world, other.member.email)["token"]
    used = invite(house.world.owner, house.world)["token"]
    accept(house.client(), used)
    bodies = [
        {**accept(house.client(f"203.0.113.{n}"), token).json(), "requestId": ""}
        for n, token in enumerate([taken, used, used[:-4] + "AAAA", "no token at all", "é"])
    ]
    assert bodies == [bodies[0]] * 5
    assert (bodies[0]["code"], "details" in bodies[0]) == ("auth.invitation_unusable", False)
    # To the inviter it looks like one that nobody has opened, and the member elsewhere is who they were.
    # (The clock stands still, so the two are listed in any order.)
    assert sorted(row["status"] for row in listed(house.world)) == ["accepted", "pending"]
    login = {"email": other.member.email, "password": PASSWORD}
    assert house.client().post("/api/v1/auth/login", json=login).json()["user"]["tenantId"] == other.tenant_id


def test_every_refusal_of_an_acceptance_costs_one_hash(house: House) -> None:
    """Whether a link is good must not show in the time: the slow part is done before anything is looked up."""
    other = make_world(house.platform, house.client())
    taken = invite(house.world.owner, house.world, other.member.email)["token"]
    hashed: list[str] = []
    slow = house.platform.passwords.hash
    object.__setattr__(house.platform.passwords, "hash", lambda password: hashed.append(password) or slow(password))
    for number, token in enumerate([taken, "nothing"]):
        accept(house.client(f"203.0.113.{number}"), token, password=f"{PASSWORD} {number}")
    assert hashed == [f"{PASSWORD} 0", f"{PASSWORD} 1"]


def test_an_own_member_is_not_invited(house: House) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations"
    answer = house.world.owner.call("POST", path, json={"email": house.world.member.email})
    assert outcome(answer) == (409, "tenancy.already_member")


@pytest.mark.parametrize(
    ("inviter", "role", "status"),
    [
        (Role.OWNER, "owner", 201),
        (Role.ADMIN, "admin", 201),
        (Role.ADMIN, "owner", 403),
        (Role.MEMBER, "viewer", 403),
        (Role.VIEWER, "viewer", 403),
    ],
)
def test_nobody_invites_above_their_own_role(house: House, inviter: Role, role: str, status: int) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations"
    body = {"email": random_address(), "role": role}
    assert house.world.people[inviter].call("POST", path, json=body).status_code == status


def test_an_admin_cannot_revoke_an_owners_invitation_of_an_owner(house: House) -> None:
    invited = invite(house.world.owner, house.world, role="owner")
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations/{invited['id']}"
    assert outcome(house.world.people[Role.ADMIN].call("DELETE", path)) == (403, "tenancy.above_own_role")


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "member"}])
def test_an_invitation_falls_with_its_inviters_right_to_make_it(house: House, change: dict[str, str]) -> None:
    admin = house.world.people[Role.ADMIN]
    token = invite(admin, house.world, role="admin")["token"]
    house.world.owner.data("PUT", f"/api/v1/users/{admin.id}", json=change)
    assert outcome(accept(house.client(), token)) == UNUSABLE


def test_an_invitation_of_a_deleted_tenant_cannot_be_used(house: House) -> None:
    token = invite(house.world.owner, house.world)["token"]
    house.world.owner.call("DELETE", f"/api/v1/tenants/{house.world.tenant_id}")
    assert outcome(accept(house.client(), token)) == UNUSABLE


def test_the_secret_of_one_tenant_opens_nothing_under_another_tenants_name(house: House) -> None:
    import base64
    import uuid

    other = make_world(house.platform, house.client())
    raw = base64.urlsafe_b64decode(invite(house.world.owner, house.world)["token"])
    moved = base64.urlsafe_b64encode(uuid.UUID(other.tenant_id).bytes + raw[16:]).decode()
    assert outcome(accept(house.client(), moved)) == UNUSABLE
    assert house.rows("SELECT count(*) FROM users WHERE tenant_id = %s", other.tenant_id) == [(4,)]


def test_an_answer_asked_for_again_by_its_key_holds_no_secret(house: House) -> None:
    path, body = f"/api/v1/tenants/{house.world.tenant_id}/invitations", {"email": random_address()}
    first, again = (
        house.world.owner.data("POST", path, json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert (again["id"], again["token"], again["link"]) == (first["id"], None, None)
    assert first["token"]
    assert len(listed(house.world)) == 1


def test_one_address_is_invited_five_times_a_day_and_no_more(house: House) -> None:
    email = random_address()
    for _ in range(5):
        invite(house.world.owner, house.world, email)
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations"
    refused = house.world.owner.call("POST", path, json={"email": email})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "86400")
    # Another address is not bound by it.
    invite(house.world.owner, house.world)


def test_a_mail_goes_out_after_the_commit_with_a_link_of_its_own(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    assert house.mail.sent == []
    house.world.drain()
    (mail,) = house.mail.sent
    (token,) = re.findall(r"#token=(\S+)", mail.text)
    assert mail.to == invited["email"]
    assert token != invited["token"]
    assert accept(house.client(), token).status_code == 201
    # The inviter's link was to the same place, which is taken now.
    assert outcome(accept(house.client(), invited["token"])) == UNUSABLE
    assert house.rows("SELECT details ->> 'came_by' FROM audit_events WHERE action = 'invitation.accepted'") == [
        ("mail",)
    ]


def test_no_event_and_no_audit_row_carries_the_address_or_a_secret(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    house.world.drain()
    (mailed,) = re.findall(r"#token=(\S+)", house.mail.sent[0].text)
    for secret in (invited["email"], invited["token"], mailed):
        assert house.rows("SELECT 1 FROM outbox_events t WHERE t::text LIKE %s", f"%{secret}%") == []
        assert house.rows("SELECT 1 FROM audit_events t WHERE t::text LIKE %s", f"%{secret}%") == []


def test_a_revoked_invitation_is_not_mailed(house: House) -> None:
    invited = invite(house.world.owner, house.world)
    house.world.owner.call("DELETE", f"/api/v1/tenants/{house.world.tenant_id}/invitations/{invited['id']}")
    house.world.drain()
    assert house.mail.sent == []


def test_a_mail_that_is_refused_is_tried_again_and_sent_once(house: House) -> None:
    from shifty_pipelines.contexts.tenancy.ports import Mail, MailRefused

    invite(house.world.owner, house.world)
    send = house.mail.send

    def refuse(mail: Mail) -> None:
        raise MailRefused("451")

    house.mail.send = refuse  # type: ignore[method-assign]
    house.world.drain()
    house.mail.send = send  # type: ignore[method-assign]
    with house.postgres.admin(house.database) as admin:
        admin.execute("UPDATE platform.outbox_queue SET available_at = now()")
    house.world.drain()
    house.world.drain()
    assert len(house.mail.sent) == 1
    (token,) = re.findall(r"#token=(\S+)", house.mail.sent[0].text)
    assert accept(house.client(), token).status_code == 201


def test_an_invitation_of_nobody_is_404(house: House) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations/{random_id()}"
    assert house.world.owner.call("DELETE", path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"email": "not-an-address"},
        {"email": "a@b.example", "role": "emperor"},
        {"email": "a@b.example", "grants": ["everything"]},
        {"email": "a@b.example", "expiresInDays": 31},
        {"email": "a@b.example", "expiresInDays": 0},
        {"email": "a@b.example", "status": "accepted"},
        {"email": "a@b.example\nBcc: c@d.example"},
    ],
    ids=str,
)
def test_a_malformed_invitation_is_400(house: House, body: dict[str, Any]) -> None:
    path = f"/api/v1/tenants/{house.world.tenant_id}/invitations"
    assert house.world.owner.call("POST", path, json=body).status_code == 400


def test_a_refused_body_does_not_show_the_secret_in_it(house: House) -> None:
    token = invite(house.world.owner, house.world)["token"]
    answer = accept(house.client(), token * 4, password="short")
    assert answer.status_code == 400
    assert token not in answer.text
