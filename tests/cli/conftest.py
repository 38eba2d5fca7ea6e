"""A home and a database of this module's own, and its commands run in process as an operator would type them."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from shifty_pipelines.cli import main
from shifty_pipelines.kernel.roles import LOGIN_ROLES
from shifty_pipelines.kernel.secret_files import secret_file
from tests.conftest import TestServer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


@dataclass
class Operator:
    """Somebody on the machine, in one home with one database."""

    home: Path
    environment: dict[str, str] = field(repr=False)
    server: TestServer = field(repr=False)
    database: str
    run: Callable[..., Answer] = field(repr=False)
    known: dict[str, str] = field(repr=False)

    def shifty(self, *arguments: object) -> Answer:
        return self.run(*map(str, arguments))

    def new_tenant(self) -> str:
        slug = f"t-{uuid.uuid4().hex[:12]}"
        answer = self.shifty("tenants", "create", slug, "--owner", f"{slug}@shop.example", "--slug", slug)
        assert answer.status == 0, answer.err
        return slug

    def same_tenant(self, name: str) -> str:
        """A tenant that every test of the module is given by this name; making one hashes a password (0.3 s)."""
        if name not in self.known:
            self.known[name] = self.new_tenant()
        return self.known[name]

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """The command as a process of its own."""
        command = [sys.executable, "-m", "shifty_pipelines.cli", *map(str, arguments)]
        own = {name: value for name, value in os.environ.items() if not name.startswith("SHIFTY_")}
        return subprocess.Popen(
            command, env=own | self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def query(self, statement: str, *parameters: Any) -> list[Any]:
        with self.connect() as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def connect(self) -> psycopg.Connection:
        return self.server.admin(self.database)


@pytest.fixture(scope="module")
def own_home(
    postgres: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, dict[str, str]]]:
    home = tmp_path_factory.mktemp("home")
    for role in LOGIN_ROLES:
        secret_file(home / "secrets", f"role-{role}", default=postgres.passwords.by_role[role])
    name = postgres.clone(f"shifty_cli_{uuid.uuid4().hex}")
    yield home, name, {}
    with postgres.admin() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def run_shifty(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command line in process."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["shifty", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def operator(
    postgres: TestServer,
    own_home: tuple[Path, str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    run_shifty: Callable[..., Answer],
) -> Operator:
    home, database, known = own_home
    environment = {"SHIFTY_HOME": str(home), "DATABASE_URL": postgres.admin_url(database), "COLUMNS": "200"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    return Operator(home=home, environment=environment, server=postgres, database=database, run=run_shifty, known=known)
