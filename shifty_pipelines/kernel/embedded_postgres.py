"""The embedded PostgreSQL: start, stop, and whether it answers.

What the wheel's own starter gets wrong, and this does not: every connection needs a password, the socket lies in a
directory of our own, no existing directory is opened to others, and a process number in a stale file is not believed.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from sqlalchemy.engine import URL

from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.postgres_installation import (
    Major,
    PostgresInstallation,
    make_private_directory,
    remove_leftovers,
)
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.kernel.secret_files import secret_file

# No TCP port: the number is only part of the socket's name, and every home has a socket directory of its own.
PORT = 5432
SUPERUSER = "postgres"
START_TIMEOUT_S = 120.0  # recovery after a crash replays up to max_wal_size (1 GB) of log
STOP_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 5
POLL_S = 0.05
MAX_LOG_BYTES = 16 * 2**20
LAST_WORDS_CHARS = 2000

#: Written to postgresql.conf by initdb: an operator may change these there.
DEFAULTS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",  # our queries are short; compiling one takes longer than running it
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A log never holds data rows or secrets, and a detail line ("Key (email)=(...) already exists") or the text of a
    # failed statement would. Clients still get both.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
#: What a server dies of when it is started while an earlier one, or that one's orphans, is still going down.
PASSING_REASONS = ("pre-existing shared memory block", 'lock file "')


class PostgresStartFailed(ShiftyError):
    """The server died while it started, or its data directory could not be made."""

    status = 503
    code = "kernel.postgres_start_failed"

    def __init__(self, what: str, last_words: str) -> None:
        super().__init__(f"{what}. It said: {last_words.strip()[-LAST_WORDS_CHARS:] or '(nothing)'}")


class PostgresSilent(ShiftyError):
    """A server runs on our data directory but does not answer."""

    status = 503
    code = "kernel.postgres_silent"

    def __init__(self, data_dir: Path, log: Path) -> None:
        super().__init__(
            f"PostgreSQL on {data_dir} did not answer within {START_TIMEOUT_S:.0f} s. If {log} says that it recovers "
            "from a crash, start again later; otherwise stop it and start again."
        )


class PostgresStopFailed(ShiftyError):
    """The server was told to stop and still runs."""

    status = 503
    code = "kernel.postgres_stop_failed"

    def __init__(self, data_dir: Path, said: str) -> None:
        super().__init__(f"PostgreSQL on {data_dir} did not stop within {STOP_TIMEOUT_S} s: {said.strip()}")


class ForeignDataDirectory(ShiftyError):
    """The data directory is another major version's, or no data directory at all."""

    status = 409
    code = "kernel.postgres_foreign_data_directory"

    def __init__(self, data_dir: Path, found: str | None, wanted: Major) -> None:
        if found is None:
            problem, advice = "is not a PostgreSQL data directory", "Move it away and start again"
        else:
            problem = f"holds a database of PostgreSQL {found}, and {wanted} was asked for"
            advice = (
                f"Set SHIFTY_POSTGRES_MAJOR={found}. To change the version, dump it with {found}, move the directory "
                "away, start and restore: a database moves up, never down"
            )
        super().__init__(f"{data_dir} {problem}. {advice}.")


class SuperuserPasswordRefused(ShiftyError):
    """The database was made with another superuser password than the one in SHIFTY_HOME/secrets."""

    status = 503
    code = "kernel.postgres_password_refused"

    def __init__(self, data_dir: Path, secret: Path) -> None:
        super().__init__(
            f"PostgreSQL on {data_dir} refuses the password in {secret}. Restore that file from a backup; if the "
            f"database is of no use without it, stop the server and remove {data_dir}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """How to reach a server over its unix socket."""

    socket_dir: Path
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    def url(
        self,
        *,
        driver: str = "postgresql+psycopg",
        database: str | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> str:
        """A URL for SQLAlchemy, and with driver "postgresql" for libpq too; None means the address's own."""
        return URL.create(
            driver,
            username=self.user if user is None else user,
            password=self.password if password is None else password,
            database=self.database if database is None else database,
            query={"host": str(self.socket_dir), "port": str(self.port)},
        ).render_as_string(hide_password=False)


class EmbeddedPostgres:
    """The server of one SHIFTY_HOME; any number of processes may start, ask and stop it at once."""

    def __init__(self, home: Path, *, major: Major = 16) -> None:
        self._at = PostgresInstallation(home, major)
        self._secrets = self._at.home / "secrets"

    @property
    def data_dir(self) -> Path:
        """The database's files; the log and everything else of the server are its neighbours."""
        return self._at.data_dir

    @property
    def socket_dir(self) -> Path:
        """The directory of the server's socket, open to its account alone."""
        return self._at.socket_dir

    def address(self) -> PostgresAddress:
        """The superuser's address, whether the server runs or not; makes the password on first use."""
        make_private_directory(self._at.home)
        return PostgresAddress(
            socket_dir=self.socket_dir,
            port=PORT,
            user=SUPERUSER,
            password=secret_file(self._secrets, "postgres-superuser"),
            database="postgres",
        )

    def start(self) -> PostgresAddress:
        """The superuser's address of a server that answers, started (and its database made) if need be.

        The server outlives this process and takes no Ctrl-C meant for it.

        Raises:
            ForeignDataDirectory: the database there is of another major version.
            PostgresStartFailed: with the server's own last words.
            PostgresSilent: a server runs and does not answer within START_TIMEOUT_S.
            SuperuserPasswordRefused: SHIFTY_HOME/secrets is not the one the database was made with.
            UnsafeDirectory: somebody else made our socket directory.
        """
        address = self.address()
        with self._alone():
            if self.data_dir.exists():
                self._refuse_foreign_data()
            self._at.prepare()
            if not self.data_dir.exists():
                self._initialise(address.password)
            self._bring_up(address)
        return address

    def stop(self) -> None:
        """Disconnect everybody and stop the server cleanly; does nothing if none runs.

        Raises:
            PostgresStopFailed: it still runs after STOP_TIMEOUT_S.
        """
        if not self.data_dir.exists():
            return
        with self._alone():
            # pg_ctl signals whatever process the file names, so it must be the server.
            if self.postmaster() is None:
                return
            arguments = ("-D", str(self.data_dir), "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S))
            ended = self._at.run("pg_ctl", "stop", *arguments)
            if ended.returncode != 0 and self.postmaster() is not None:
                raise PostgresStopFailed(self.data_dir, ended.stdout)

    def remove(self) -> None:
        """Stop the server and delete its data: for a checkout that is cleaned, never for one that is served."""
        self.stop()
        shutil.rmtree(self._at.place, ignore_errors=True)

    def is_alive(self) -> bool:
        """Whether the server answers `SELECT 1`."""
        if not self.data_dir.exists():
            return False
        try:
            return self._answers(self.address())
        except SuperuserPasswordRefused:
            return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process and one thread at a time starts or stops this home's server."""
        lock = os.open(self._at.home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            # Closing is not enough: a child forked meanwhile holds the same lock through its copy of the descriptor.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def _initialise(self, password: str) -> None:
        """Make the database beside its place and move it there whole; a killed predecessor's half is thrown away."""
        remove_leftovers(self._at.place, "data.new.")
        fresh = Path(tempfile.mkdtemp(prefix="data.new.", dir=self._at.place))
        self._at.account.own(fresh)
        said = self._initdb(fresh, password, locale="C.UTF-8")
        if said is not None and "invalid locale name" in said:
            said = self._initdb(fresh, password, locale="C")
        if said is not None:
            remove_leftovers(self._at.place, "data.new.")
            raise PostgresStartFailed(f"No database could be made in {fresh}", said)
        fresh.rename(self.data_dir)
        _sync_directory(self._at.place)

    def _initdb(self, fresh: Path, password: str, *, locale: str) -> str | None:
        """None, or what initdb said when it failed."""
        settings = [f"--set={name}={value}" for name, value in DEFAULTS.items()]
        security = ["--auth=scram-sha-256", f"--username={SUPERUSER}", "--pwfile=/dev/stdin", "--data-checksums"]
        read_end, write_end = os.pipe()  # the password lies in no file but ours, and in no argument list
        try:
            self._at.account.own(read_end)  # /dev/stdin is opened anew, which only a pipe's owner may do
            os.write(write_end, f"{password}\n".encode())
            os.close(write_end)
            ended = self._at.run(
                "initdb", f"--pgdata={fresh}", "--encoding=UTF8", f"--locale={locale}", *security, *settings,
                stdin=read_end,
            )  # fmt: skip
        finally:
            os.close(read_end)
        return None if ended.returncode == 0 else ended.stdout

    def _refuse_foreign_data(self) -> None:
        try:
            found = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            found = None
        if found != str(self._at.major):
            raise ForeignDataDirectory(self.data_dir, found, self._at.major)

    def _bring_up(self, address: PostgresAddress) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        launch: _Launch | None = None
        while not self._answers(address):
            if self.postmaster() is None and (launch is None or not launch.is_running()):
                if launch is not None:
                    launch.refuse_unless_passing()
                self._remove_believable_lock_files()
                self._at.remove_obsolete_programs()
                launch = self._launch()
            if time.monotonic() > deadline_s:
                raise PostgresSilent(self.data_dir, self._at.log)
            time.sleep(POLL_S)

    def _launch(self) -> "_Launch":
        log = _open_log(self._at.log)
        try:
            said_before_bytes = os.fstat(log).st_size
            options = ("-D", str(self.data_dir), f"-k{self.socket_dir}", f"-p{PORT}", "-clisten_addresses=")
            # The shell hands the server to init, so that it is reaped whether or not we live; it sees no path as text.
            started = subprocess.run(
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", self._at.program("postgres"), *options,
                 "-cunix_socket_permissions=0700"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                check=True, start_new_session=True, **self._at.surroundings,
            )  # fmt: skip
        finally:
            os.close(log)
        return _Launch(ProcessIdentity.of(int(started.stdout)), self._at.log, said_before_bytes)

    def _answers(self, address: PostgresAddress) -> bool:
        try:
            with psycopg.connect(
                host=str(address.socket_dir), port=address.port, user=address.user, password=address.password,
                dbname=address.database, connect_timeout=ANSWER_TIMEOUT_S, autocommit=True,
                options=f"-c statement_timeout={ANSWER_TIMEOUT_S}s",
            ) as connection:  # fmt: skip
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise SuperuserPasswordRefused(self.data_dir, self._secrets / "postgres-superuser") from None
            return False

    def postmaster(self) -> int | None:
        """The server's process number, if the one in its file is really the server on our data directory."""
        number = _process_number(self.data_dir / "postmaster.pid")
        if number is None:
            return None
        return number if _works_in(number, self.data_dir) else None

    def _remove_believable_lock_files(self) -> None:
        """Remove the dead server's lock files where their process number now is another process's.

        PostgreSQL takes any living process of its own account for a server. Files with a dead number are left to it:
        they tell it which shared memory to look for. Call only while no server runs.
        """
        for path in (self.data_dir / "postmaster.pid", self.socket_dir / f".s.PGSQL.{PORT}.lock"):
            number = _process_number(path)
            if number is None or psutil.pid_exists(number):
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Launch:
    """One attempt to start the server, to be told apart from what the log says of earlier ones."""

    process: ProcessIdentity | None
    log: Path
    said_before_bytes: int

    def is_running(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def refuse_unless_passing(self) -> None:
        with self.log.open("rb") as log:
            log.seek(self.said_before_bytes)
            last_words = log.read().decode(errors="replace")
        if not any(reason in last_words for reason in PASSING_REASONS):
            raise PostgresStartFailed(f"PostgreSQL died while it started (its log is {self.log})", last_words)


def _process_number(lock_file: Path) -> int | None:
    with suppress(FileNotFoundError, ValueError, IndexError):
        return int(lock_file.read_text(encoding="utf-8", errors="replace").splitlines()[0])
    return None


def _works_in(number: int, data_dir: Path) -> bool:
    """Whether this process is a server on `data_dir`, started by us or by hand."""
    try:
        process = psutil.Process(number)
        # The arguments first: reading another account's working directory needs a capability that containers lack.
        return str(data_dir) in process.cmdline() or process.cwd() == str(data_dir)
    except psutil.Error:
        return False


def _open_log(path: Path) -> int:
    with suppress(FileNotFoundError):
        if path.stat().st_size > MAX_LOG_BYTES:
            path.rename(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
