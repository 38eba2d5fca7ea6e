"""The game through the API: every badge reached, coins spent once, boards and exports that keep what people hide."""

import csv
import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from tests.api.conftest import LABELS, House, Person, World, random_id

BADGES = {
    "first_mission",
    "ten_missions",
    "hundred_missions",
    "week_streak",
    "month_streak",
    "high_accuracy",
    "level_10",
}


def profile(person: Person) -> dict[str, Any]:
    return dict(person.data("GET", f"/api/v1/profiles/{person.id}"))


def answer(world: World, person: Person, *, label: str = LABELS[0], xp: int = 60) -> dict[str, Any]:
    """One mission, made, taken, answered and settled as `LABELS[0]`; what the completion said."""
    author = world.people[Role.ADMIN] if person is world.owner else world.owner
    mission = world.mission(author, slotCount=1, xpReward=xp, coinReward=5)
    person.data("POST", f"/api/v1/missions/{mission}/assign", json={"userId": person.id})
    body = {"userId": person.id, "result": {"selectedOption": label}}
    completion = person.data("POST", f"/api/v1/missions/{mission}/complete", json=body)
    with world.platform.open(system_actor(TenantId(uuid.UUID(world.tenant_id)))) as services:
        services.arcade.settle(uuid.UUID(mission), LABELS[0])
    return {**completion, "missionId": mission}


def board(person: Person, world: World, **query: str) -> Any:
    return person.call("GET", f"/api/v1/tenants/{world.tenant_id}/leaderboard", params=query)


@pytest.mark.slow
def test_every_badge_is_reached_by_working_and_by_nothing_else(house: House) -> None:
    """Thirty days of six right answers: 180 missions of 60 XP, and the days' challenges, pass level 10 at 9,000."""
    world, member = house.world, house.world.member
    world.set_labels()
    listed = {badge["id"] for badge in member.data("GET", f"/api/v1/tenants/{world.tenant_id}/badges")}
    assert listed == BADGES
    told, on_day = [], {}
    for day in range(1, 31):
        for _ in range(6):
            told += answer(world, member)["newBadges"]
            house.clock.advance(timedelta(minutes=1))
        on_day[day] = set(profile(member)["badges"])
        house.clock.advance(timedelta(days=1))
        member.token = signed_in_again(house, member)
        world.owner.token = signed_in_again(house, world.owner)
    assert told == ["first_mission", "ten_missions", "week_streak", "hundred_missions", "month_streak"]
    reached = {badge: min(day for day in on_day if badge in on_day[day]) for badge in BADGES}
    assert {name: reached[name] for name in told} == {
        "first_mission": 1, "ten_missions": 2, "week_streak": 7, "hundred_missions": 17, "month_streak": 30,
    }  # fmt: skip
    assert reached["high_accuracy"] == 4  # the twentieth answer
    standing = profile(member)
    assert (standing["level"], standing["streakDays"], standing["accuracy"]) == (10, 30, 1.0)
    assert standing["expertiseAreas"] == ["classify_error"]


def signed_in_again(house: House, person: Person) -> str:
    from shifty_pipelines.flows.entrance import sign_in
    from tests.api.conftest import PASSWORD

    return sign_in(house.platform, person.email, PASSWORD, client_address="192.0.2.1").token


def test_coins_are_spent_once_by_key_and_never_twice_at_once(world: World) -> None:
    member, path = world.member, f"/api/v1/tenants/{world.tenant_id}/shop/purchases"
    assert {item["id"] for item in member.data("GET", f"/api/v1/tenants/{world.tenant_id}/shop")} >= {"streak_freeze"}
    key = {"Idempotency-Key": "one-freeze"}
    bought = [member.call("POST", path, json={"itemId": "streak_freeze"}, headers=key).json()["data"] for _ in range(3)]
    assert [one["coinsLeft"] for one in bought] == [50, 50, 50]
    assert len({one["id"] for one in bought}) == 1
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: member.call("POST", path, json={"itemId": "streak_freeze"}), range(6)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409, 409, 409]
    assert profile(member)["coins"] == 0
    assert member.call("POST", path, json={"itemId": "coin_pack"}).status_code == 404


def test_a_board_and_its_export_show_the_same_people_in_the_same_way(world: World) -> None:
    world.set_labels()
    named, hidden, secret = world.member, world.owner, world.people[Role.ADMIN]
    for person, xp in ((named, 40), (secret, 50), (hidden, 60)):
        answer(world, person, xp=xp)
    secret.data("PATCH", f"/api/v1/profiles/{secret.id}", json={"visibility": "pseudonym"})
    hidden.data("PATCH", f"/api/v1/profiles/{hidden.id}", json={"visibility": "hidden"})
    named.data("PATCH", f"/api/v1/profiles/{named.id}", json={"displayName": "=HYPERLINK(1)"})
    page = board(named, world, type="xp_weekly").json()
    assert [(line["rank"], line["userId"], line["score"]) for line in page["data"]] == [
        (1, None, 50),
        (2, named.id, 40),
    ]
    assert (page["ownRank"], page["nextCursor"], len(page["around"])) == (2, None, 2)
    assert page["asOf"] and page["startsOn"] < page["endsOn"]  # noqa: PT018
    export = hidden.call("GET", f"/api/v1/tenants/{world.tenant_id}/leaderboard/export", params={"type": "xp_weekly"})
    lines = list(csv.DictReader(io.StringIO(export.text)))
    assert [line["userId"] for line in lines] == ["", named.id]
    assert [line["displayName"] for line in lines] == [page["data"][0]["displayName"], "'=HYPERLINK(1)"]
    for text in (export.text, board(named, world).text, str(figures(named, world))):
        assert secret.id not in text
        assert hidden.id not in text
    assert world.people[Role.VIEWER].call("GET", f"/api/v1/profiles/{secret.id}").status_code == 403


def figures(person: Person, world: World, **query: str) -> dict[str, Any]:
    return dict(person.data("GET", f"/api/v1/tenants/{world.tenant_id}/stats", params=query))


def test_the_gateway_answers_with_the_arcades_figures_of_the_period(world: World) -> None:
    world.set_labels()
    answer(world, world.member)
    now = figures(world.member, world)
    assert (now["missionsCompleted"], now["activeUsers"], now["samplesGenerated"]) == (1, 1, 1)
    assert now["topContributors"][0]["userId"] == world.member.id
    past = figures(world.member, world, start="2024-01-01", end="2024-01-31")
    assert (past["periodStart"], past["periodEnd"]) == ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z")
    assert (past["missionsCompleted"], past["activeUsers"], past["topContributors"]) == (0, 0, [])


def test_a_correction_shows_in_its_labelers_ledger_with_reason_and_cause(world: World) -> None:
    world.set_labels()
    mission, cause = answer(world, world.member)["missionId"], random_id()
    body = {"userId": world.member.id, "isRight": False, "reason": "gold_retired", "causeId": cause}
    for _ in range(2):
        assert len(world.owner.data("POST", f"/api/v1/missions/{mission}/corrections", json=body)) == 2
    lines = world.member.data("GET", f"/api/v1/users/{world.member.id}/ledger")
    assert [(line["kind"], line["xp"], line["reason"], line["causeId"]) for line in lines if line["xp"] < 0] == [
        ("correction", -60, "gold_retired", cause)
    ]
    assert profile(world.member)["xp"] == 0
    assert world.member.call("POST", f"/api/v1/missions/{mission}/corrections", json=body).status_code == 403


def test_the_ledger_is_read_page_by_page(world: World) -> None:
    world.set_labels()
    for _ in range(3):
        answer(world, world.member)
    path, seen, cursor = f"/api/v1/users/{world.member.id}/ledger", [], None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = world.member.call("GET", path, params=query).json()
        seen += [line["id"] for line in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) >= 6
    assert world.people[Role.VIEWER].call("GET", path).status_code == 403


@pytest.mark.parametrize(
    ("verb", "path", "sent", "word"),
    [
        pytest.param("PATCH", "/api/v1/profiles/{me}", {"timeZone": "Mars/Olympus"}, "Mars/Olympus", id="zone"),
        pytest.param("PATCH", "/api/v1/profiles/{me}", {"visibility": "ghost"}, "visibility", id="visibility"),
        pytest.param("PATCH", "/api/v1/profiles/{me}", {"xp": 1_000_000}, "xp", id="one's own XP"),
        pytest.param("PUT", "/api/v1/tenants/{t}/arcade-settings", {"restWeekdays": [8]}, "restWeekdays", id="weekday"),
        pytest.param(
            "PUT", "/api/v1/tenants/{t}/arcade-settings", {"restWeekdays": [1, 2, 3, 4, 5, 6, 7]}, "restWeekdays",
            id="nothing but rest",
        ),
        pytest.param("GET", "/api/v1/tenants/{t}/leaderboard?type=xp_hourly", None, "type", id="board"),
        pytest.param("GET", "/api/v1/tenants/{t}/stats?start=yesterday", None, "start", id="start"),
        pytest.param("GET", "/api/v1/tenants/{t}/stats?start=2024-02-01&end=2024-01-01", None, "end", id="period"),
        pytest.param("GET", "/api/v1/tenants/{t}/stats?start=0001-01-01&end=9999-12-31", None, "start", id="for ever"),
        pytest.param("GET", "/api/v1/tenants/{t}/stats?end=0001-01-01", None, "end", id="before time"),
        pytest.param("GET", "/api/v1/tenants/{t}/stats?end=9999-12-31", None, "end", id="after time"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(world: World, verb: str, path: str, sent: Any, word: str) -> None:
    body = {} if sent is None else {"json": sent}
    refused = world.owner.call(verb, path.format(me=world.owner.id, t=world.tenant_id), **body)
    assert (refused.status_code, word in refused.json()["error"]) == (400, True), refused.text


def test_a_tenants_calendar_is_changed_by_its_admins(world: World) -> None:
    path = f"/api/v1/tenants/{world.tenant_id}/arcade-settings"
    first = {"timeZone": "UTC", "restWeekdays": [6, 7], "hasLeaderboard": True}
    assert world.member.data("GET", path) == first
    changed = {"timeZone": "Asia/Riyadh", "restWeekdays": [5, 6], "hasLeaderboard": False}
    assert world.owner.data("PUT", path, json=changed) == changed == world.member.data("GET", path)
    assert board(world.member, world).status_code == 409
    assert world.member.call("PUT", path, json=first).status_code == 403
