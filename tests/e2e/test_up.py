"""`shifty up` as an operator meets it: first start, second start, kills, Ctrl-C; and Dagster's UI behind its door."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from tests.e2e.running import Running, free_block, wait_until

pytestmark = pytest.mark.slow  # the tests of this file run in order, in one worker (--dist loadfile)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One home for the whole file; the tests below run in order and leave it up, but for the last."""
    home = tmp_path_factory.mktemp("up") / "home"
    running = Running(home, free_block())
    running.up()
    yield running
    running.shifty("down")
    shutil.rmtree(EmbeddedPostgres(home).data_dir.parent, ignore_errors=True)


def sign_in(running: Running) -> httpx.Client:
    email, password = running.credentials()
    answer = httpx.post(f"{running.api}/api/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return httpx.Client(base_url=running.api, headers={"Authorization": f"Bearer {answer.json()['token']}"})


def test_the_first_start_prints_the_first_owners_credentials_and_they_work(running: Running) -> None:
    client = sign_in(running)
    assert client.post("/api/v1/auth/verify").json()["user"]["role"] == "owner"
    for offset, service in ((1, "tenant-manager"), (2, "auth-service"), (9, "hitl-arcade"), (12, "integrations")):
        answer = httpx.get(f"http://127.0.0.1:{running.base_port + offset}/health").json()
        assert answer["service"] == service
        assert answer["status"] == ("not_built" if offset == 12 else "healthy")


def test_a_second_up_names_the_holder(running: Running) -> None:
    second = running.shifty("up")
    assert second.returncode == 1
    assert running.process is not None
    assert f"process {running.process.pid}" in second.stderr
    assert running.is_healthy()


def graphql(running: Running, query: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.operator_token()}", **options.pop("headers", {})}
    return httpx.post(f"{running.dagster}/graphql", json={"query": query}, headers=headers, timeout=30)


SELECTOR = '{repositoryLocationName: "shifty_pipelines", repositoryName: "__repository__", sensorName: "outbox"}'
SENSOR = f"{{ sensorOrError(sensorSelector: {SELECTOR}) {{ ... on Sensor {{ id sensorState {{ id status }} }} }} }}"


def test_the_dagster_ui_runs_no_mutation_from_a_get_of_another_page(running: Running) -> None:
    sensor = graphql(running, SENSOR).json()["data"]["sensorOrError"]
    assert sensor["sensorState"]["status"] == "RUNNING"
    stop = f'mutation {{ stopSensor(id: "{sensor["id"]}") {{ __typename }} }}'
    cookie = {"Cookie": f"shifty_operator={running.operator_token()}"}
    foreign = {"Host": "evil.example", "Referer": "http://evil.example/"}
    attacks = [
        httpx.get(f"{running.dagster}/graphql", params={"query": stop}, headers={**cookie, **foreign}),
        httpx.get(
            f"{running.dagster}/graphql", params={"query": stop}, headers={**cookie, "Referer": "http://evil.example/"}
        ),
        httpx.get(f"{running.dagster}/graphql", params={"query": stop}),
        httpx.post(
            f"{running.dagster}/graphql", json={"query": stop}, headers={**cookie, "Origin": "http://evil.example"}
        ),
        httpx.post(f"{running.dagster}/graphql", json={"query": stop}, headers={**cookie, "Host": "evil.example"}),
        httpx.post(f"{running.dagster}/graphql", json={"query": stop}),
    ]
    assert [answer.status_code for answer in attacks] == [421, 405, 401, 403, 421, 401]
    assert graphql(running, SENSOR).json()["data"]["sensorOrError"]["sensorState"]["status"] == "RUNNING"
    # The twin: the same mutation from our own page does work, so the attacks above were real.
    own = {**cookie, "Origin": running.dagster}

    def is_stopped_by_our_own_page() -> bool:
        # Dagster's daemon writes the state it read back at the end of a tick: a stop in the middle of one is lost.
        twin = httpx.post(f"{running.dagster}/graphql", json={"query": stop}, headers=own, timeout=30)
        assert twin.status_code == 200, twin.text
        return bool(graphql(running, SENSOR).json()["data"]["sensorOrError"]["sensorState"]["status"] == "STOPPED")

    wait_until(is_stopped_by_our_own_page, timeout_s=30, what="the sensor to stop")
    start = f"mutation {{ startSensor(sensorSelector: {SELECTOR}) {{ __typename }} }}"
    assert graphql(running, start).status_code == 200


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read(running: Running) -> None:
    answer = httpx.get(f"{running.dagster}/", params={"token": running.operator_token()})
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    page = httpx.get(f"{running.dagster}/", cookies=answer.cookies, follow_redirects=True)
    assert page.status_code == 200
    assert "Dagster" in page.text
    assert httpx.get(f"{running.dagster}/").status_code == 401
    assert httpx.get(f"{running.dagster}/", params={"token": "wrong"}).status_code == 401


def test_a_killed_api_comes_back(running: Running) -> None:
    victim = running.child("api")
    victim.kill()
    wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, timeout_s=10, what="kill")
    wait_until(running.is_healthy, timeout_s=60, what="the API after its kill")
    assert running.child("api").pid != victim.pid


def test_a_killed_postmaster_comes_back_and_rows_are_there(running: Running) -> None:
    client = sign_in(running)
    postmaster = int((EmbeddedPostgres(running.home).data_dir / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(postmaster), timeout_s=20, what="the kill")
    wait_until(running.is_healthy, timeout_s=60, what="the API after the database's kill")
    assert client.post("/api/v1/auth/verify").status_code == 200


def test_after_a_killed_supervisor_up_ends_the_orphans_and_starts(running: Running) -> None:
    assert running.process is not None
    orphan = running.child("api")
    running.process.kill()
    running.process.wait()
    assert orphan.is_running(), "the API outlives its supervisor, or this test proves nothing"
    running.up()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert running.is_healthy()


def test_the_command_line_adds_people_who_can_sign_in(running: Running) -> None:
    import json

    added = running.shifty("users", "add", "ada@test.example", "--tenant", "default", "--json")
    assert added.returncode == 0, added.stderr
    (user,) = json.loads(added.stdout)
    answer = httpx.post(
        f"{running.api}/api/v1/auth/login", json={"email": "ada@test.example", "password": user["password"]}
    )
    assert answer.json()["user"]["role"] == "member"
    again = running.shifty("users", "add", "ada@test.example", "--tenant", "default")
    assert again.returncode == 1
    assert "User already exists" in again.stderr
    nowhere = running.shifty("users", "list", "--tenant", "nowhere")
    assert nowhere.returncode == 1
    assert "shifty tenants list" in nowhere.stderr


def test_no_secret_stands_in_a_log_or_in_a_process_listing(running: Running) -> None:
    secrets = {path.name: path.read_text() for path in (running.home / "secrets").iterdir() if path.is_file()}
    assert {"jwt-secret", "role-shifty_app", "operator-token"} <= set(secrets)
    del secrets["installation-id"]
    logs = b"".join(path.read_bytes() for path in Path(running.home / "logs").iterdir())
    arguments = "\n".join(" ".join(process.cmdline()) for process in running.processes())
    for name, secret in secrets.items():
        assert secret.encode() not in logs, name
        assert secret not in arguments, name
    assert all(path.stat().st_mode & 0o077 == 0 for path in (running.home / "secrets").rglob("*"))


def test_ctrl_c_stops_everything(running: Running) -> None:
    assert running.interrupt() == 0
    assert running.processes() == []
    assert not EmbeddedPostgres(running.home).is_alive()
