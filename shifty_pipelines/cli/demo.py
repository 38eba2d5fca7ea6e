"""`shifty demo`: the main job on real input, over HTTP as any client would, with visible progress."""

import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from shifty_pipelines.cli.processes import keep_database, stop_database
from shifty_pipelines.cli.start import Started, prepare, start_children
from shifty_pipelines.cli.terminal import console, step
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.kernel.secret_files import secret_file
from shifty_pipelines.kernel.supervisor import Supervisor, hold
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from shifty_pipelines.settings import Settings

LABELS = ["bad_input", "stale_state", "upstream_data", "time_handling"]
SETTLE_TIMEOUT_S = 30.0
#: A program that really fails: the JSON of an upstream ends in the middle.
FAILING_PROGRAM = 'import json\ndef rates(body):\n    return json.loads(body)["EUR"]\nrates(\'{"EUR": 1.08, "GBP"\')\n'


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demo tenant, signed in."""

    user_id: str
    client: httpx.Client


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Show the main job end to end on real input, over the API, and end with what happened."""
    settings = Settings()
    with hold(settings.home) as lock:
        with step("database: start, bootstrap, migrate, prove isolation"):
            started = prepare(settings)
        supervisor = Supervisor(settings.home, lock, watch=keep_database(settings), say=console.print)
        try:
            with step("processes: API, code server, Dagster UI, daemon"):
                start_children(supervisor, settings, started)
            _tell_story(settings, started)
            if keep:
                console.print("everything is still running; Ctrl-C stops it")
                supervisor.run()
        finally:
            supervisor.stop()
            started.platform.dispose()
            stop_database(settings)


def _tell_story(settings: Settings, started: Started) -> None:
    gateway = f"http://{settings.bind}:{settings.base_port}"
    with step("people: a tenant, its owner, two members"):
        tenant_id, (owner, *members) = _people(started, gateway)
    with step("error: a real exception, reported at POST /api/v1/errors"):
        event = _report_error(owner, tenant_id)
    with step("mission: classify_error, two slots"):
        mission = _create_mission(owner, tenant_id, event)
    with step("labels: both members claim and agree"):
        for member in members:
            _label(member, tenant_id)
    with step("settlement: posterior >= 0.9, XP paid"):
        profiles = [_settled_profile(member, tenant_id) for member in members]
    _summarise(event, mission, profiles)
    token = owner.client.headers["authorization"].removeprefix("Bearer ")
    operator_token = secret_file(settings.home / "secrets", "operator-token")
    console.print(f"API      {gateway}/api/docs")
    console.print(f"Dagster  http://localhost:{settings.dagster_port}/?token={operator_token}", soft_wrap=True)
    console.print(f"token    {token}", soft_wrap=True)
    console.print(
        f"try      curl -s -H 'Authorization: Bearer {token}' {gateway}/api/v1/missions/{mission['id']}", soft_wrap=True
    )


def _people(started: Started, gateway: str) -> tuple[TenantId, list[Person]]:
    platform = started.platform
    number = secrets.token_hex(3)
    password = secrets.token_urlsafe(15)
    new = [
        NewUser(email=f"{who}-{number}@demo.example", password=password, first_name=who, last_name="Demo", role=role)
        for who, role in (("owner", Role.OWNER), ("ada", Role.MEMBER), ("grace", Role.MEMBER))
    ]
    founded = found_tenant(platform, NewTenant(name=f"Demo {number}", slug=f"demo-{number}"), new[0])
    tenant_id = TenantId(founded.tenant.tenant_id)
    with platform.open(system_actor(tenant_id)) as services:
        for member in new[1:]:
            services.tenancy.add_user(member)
    people = [_signed_in(gateway, user.email, password) for user in new]
    for person, user in zip(people[1:], new[1:], strict=True):
        path = f"/api/v1/profiles/{person.user_id}"
        person.client.patch(path, json={"displayName": user.first_name.title()}).raise_for_status()
    return tenant_id, people


def _signed_in(gateway: str, email: str, password: str) -> Person:
    answer = httpx.post(f"{gateway}/api/v1/auth/login", json={"email": email, "password": password}, timeout=30)
    body = answer.raise_for_status().json()
    client = httpx.Client(base_url=gateway, headers={"Authorization": f"Bearer {body['token']}"}, timeout=30)
    return Person(body["user"]["id"], client)


def _report_error(owner: Person, tenant_id: TenantId) -> dict[str, Any]:
    failed = subprocess.run([sys.executable, "-c", FAILING_PROGRAM], capture_output=True, text=True, check=False)
    last_line = failed.stderr.strip().splitlines()[-1]
    error_type, _, message = last_line.partition(": ")
    return _data(
        owner.client.post(
            "/api/v1/errors",
            json={
                "tenantId": str(tenant_id),
                "source": "application_logs",
                "externalId": f"demo-{secrets.token_hex(4)}",
                "errorType": error_type,
                "message": message,
                "stackTrace": failed.stderr,
                "severity": "high",
                "environment": "production",
                "service": "rates",
            },
        )
    )


def _create_mission(owner: Person, tenant_id: TenantId, event: dict[str, Any]) -> dict[str, Any]:
    labels = owner.client.put(f"/api/v1/tenants/{tenant_id}/label-sets/classify_error", json={"labels": LABELS})
    labels.raise_for_status()
    return _data(
        owner.client.post(
            f"/api/v1/tenants/{tenant_id}/missions",
            json={
                "type": "classify_error",
                "difficulty": "beginner",
                "title": "What caused this error?",
                "description": "Read the exception and its frames.",
                "instructions": "Choose the cause, not the exception's type.",
                "payload": {name: event[name] for name in ("errorType", "message", "stackTrace", "service")},
                "slotCount": 2,
            },
        )
    )


def _label(member: Person, tenant_id: TenantId) -> None:
    claimed = member.client.post(f"/api/v1/tenants/{tenant_id}/missions/next", json={"count": 1})
    for mission in claimed.raise_for_status().json()["data"]:
        answer = {"userId": member.user_id, "result": {"selectedOption": "upstream_data", "confidence": 0.9}}
        member.client.post(f"/api/v1/missions/{mission['id']}/complete", json=answer).raise_for_status()


def _settled_profile(member: Person, tenant_id: TenantId) -> dict[str, Any]:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        profile = _data(member.client.get(f"/api/v1/profiles/{member.user_id}", params={"tenantId": str(tenant_id)}))
        if profile["xp"] > 0:
            return profile
        if time.monotonic() > deadline:
            raise TimeoutError(f"the mission did not settle within {SETTLE_TIMEOUT_S:.0f} s; see the api log")
        time.sleep(0.2)


def _summarise(event: dict[str, Any], mission: dict[str, Any], profiles: list[dict[str, Any]]) -> None:
    table = Table("what", "result", title="What happened")
    table.add_row("error event", f"{event['errorType']}: {event['message']}")
    table.add_row("mission", f"{mission['type']} {mission['id']}")
    for profile in profiles:
        table.add_row(f"{profile['displayName']}", f"{profile['xp']} XP settled, level {profile['level']}")
    console.print(table)


def _data(answer: httpx.Response) -> dict[str, Any]:
    return dict(answer.raise_for_status().json()["data"])
