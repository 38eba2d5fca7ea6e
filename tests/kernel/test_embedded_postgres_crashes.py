"""The embedded server at bad moments: killed, orphaned, mistaken for another, started twice at once."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from tests.kernel.postgres_servers import (
    IS_ROOT,
    NOBODY,
    PATIENCE_S,
    asked,
    connected,
    kill_postmaster,
    postmaster,
    private_home,
    python,
    servers,
    wait_for,
)


@pytest.fixture
def postgres_at() -> Iterator[Callable[..., EmbeddedPostgres]]:
    with servers() as at:
        yield at


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return private_home(tmp_path_factory)


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[EmbeddedPostgres]:
    """One database for all tests that need no fresh one; every test starts it anew and may kill it."""
    with servers() as at:
        yield at(home)


def test_what_was_committed_before_a_kill_is_there_after_the_next_start(shared: EmbeddedPostgres) -> None:
    with connected(shared.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    killed = kill_postmaster(shared)
    assert not shared.is_alive()
    address = shared.start()
    assert postmaster(shared).pid != killed
    assert asked(address, "SELECT answer FROM kept") == 42


def test_a_start_waits_for_the_orphans_of_a_killed_server(shared: EmbeddedPostgres) -> None:
    address = shared.start()
    log = shared.data_dir.parent / "postgres.log"
    before_bytes = log.stat().st_size
    busy = connected(address)
    # Computing never looks whether the postmaster still lives, unlike waiting.
    busy.pgconn.send_query(
        b"DO $$ BEGIN WHILE clock_timestamp() < now() + interval '6 seconds' LOOP END LOOP; END $$ -- busy"
    )
    backends = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO %busy'"
    wait_for(lambda: asked(address, backends), "the busy backend")
    kill_postmaster(shared)
    assert asked(shared.start(), "SELECT 1") == 1
    busy.close()
    # else this test has met no orphan and says nothing
    assert b"pre-existing shared memory block" in log.read_bytes()[before_bytes:]


def test_a_stale_file_that_names_another_living_process_is_not_believed(shared: EmbeddedPostgres) -> None:
    address = shared.start()
    pid = str(kill_postmaster(shared))
    # PostgreSQL takes a living process of its own account for a server, so this one runs under that account.
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if IS_ROOT else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **account) as other:  # type: ignore[call-overload]
        try:
            for stale in (shared.data_dir / "postmaster.pid", address.socket_dir / ".s.PGSQL.5432.lock"):
                stale.write_text(stale.read_text().replace(pid, str(other.pid), 1))
            assert not shared.is_alive()
            shared.stop()
            assert other.poll() is None, "stop() signalled a process that only has the server's old number"
            shared.start()
            assert shared.is_alive()
            assert other.poll() is None
        finally:
            other.kill()


def test_an_empty_pid_file_does_not_keep_the_server_down(shared: EmbeddedPostgres) -> None:
    shared.start()
    kill_postmaster(shared)
    (shared.data_dir / "postmaster.pid").write_text("")
    shared.start()
    assert shared.is_alive()


def test_a_killed_starter_leaves_a_server_that_the_next_one_finds(shared: EmbeddedPostgres, home: Path) -> None:
    shared.stop()
    with python("server.start(); print('started', flush=True); sys.stdin.read()", home, stdin=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        began = postmaster(shared).create_time()
        other.kill()
    assert shared.is_alive()
    assert asked(shared.start(), "SELECT 1") == 1
    assert postmaster(shared).create_time() == began


def test_ctrl_c_reaches_the_starter_and_not_the_server(shared: EmbeddedPostgres, home: Path) -> None:
    shared.stop()
    code = "server.start(); print('started', flush=True); sys.stdin.read()"
    with python(code, home, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        os.killpg(other.pid, signal.SIGINT)
        assert other.wait(PATIENCE_S) != 0
    assert shared.is_alive()


def test_the_server_holds_neither_our_output_nor_our_lock(shared: EmbeddedPostgres, home: Path) -> None:
    shared.stop()
    with python("server.start()", home, stderr=subprocess.STDOUT) as other:
        # ends only when nobody holds the pipe any more
        assert other.communicate(timeout=PATIENCE_S)[0] == ""
    assert shared.is_alive()
    with (home / "postgres.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_first_starts_at_once_make_one_server(postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = postgres_at(home)
    others = [python("print(server.start().password)", home) for _ in range(2)]
    said = [other.communicate(timeout=PATIENCE_S)[0] for other in others]
    assert [other.returncode for other in others] == [0, 0]
    assert said == [f"{server.address().password}\n"] * 2
    assert server.is_alive()
    # A second server would have left its words here.
    assert (server.data_dir.parent / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_a_database_that_was_half_made_when_its_maker_was_killed_is_made_anew(
    postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    server = postgres_at(home)
    place = server.data_dir.parent
    with python("server.start()", home, start_new_session=True) as other:
        wait_for(lambda: list(place.glob("data.new.*/PG_VERSION")), "initdb to begin")
        os.killpg(other.pid, signal.SIGKILL)
    assert not server.data_dir.exists()
    assert asked(server.start(), "SELECT 1") == 1
    assert list(place.glob("data.new.*")) == []
