"""Each rule of tools/lints finds its planted violation, names it, and leaves the clean twin alone."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tools.lints import no_commit, shape, tenant_scope
from tools.lints.source import Rule, SourceFile

REPOSITORY = Path(__file__).parents[2]
SERVICE = "shifty_pipelines/contexts/arcade/service.py"
REPOSITORY_FILE = "shifty_pipelines/contexts/arcade/repository.py"


def found(rule: Rule, path: str, code: str) -> list[str]:
    return [f"{finding.line} {finding.code}" for finding in rule(SourceFile(path, dedent(code).lstrip("\n")))]


# ------------------------------------------------------------------------------------------------- where SQL is written


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("from sqlalchemy import select", id="select"),
        pytest.param("from sqlalchemy import func, text as sql", id="text-under-another-name"),
        pytest.param("from sqlalchemy.dialects.postgresql import insert", id="dialect-insert"),
        pytest.param("import sqlalchemy as sa", id="whole-sqlalchemy"),
        pytest.param("import psycopg", id="driver"),
        pytest.param("from psycopg import sql", id="from-driver"),
        pytest.param("self.repository.session.execute(statement)", id="execute"),
        pytest.param("scope.session.scalars(statement)", id="scalars"),
        pytest.param("session.query(Mission)", id="query"),
        pytest.param("self._session.add(mission)", id="add"),
        pytest.param("engine.connect().execute(statement)", id="connection"),
    ],
)
def test_sql_is_found_outside_repositories_only(code: str) -> None:
    assert found(tenant_scope.check, SERVICE, code) == ["1 sql-outside-repository"]
    assert found(tenant_scope.check, "shifty_pipelines/api/routes/arcade.py", code) == ["1 sql-outside-repository"]
    assert "1 sql-outside-repository" not in found(tenant_scope.check, REPOSITORY_FILE, code)
    assert found(tenant_scope.check, "shifty_pipelines/contexts/arcade/repository/__init__.py", "import psycopg") == []
    assert found(tenant_scope.check, "shifty_pipelines/kernel/outbox.py", code) == []
    assert found(tenant_scope.check, "migrations/env.py", code) == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("from sqlalchemy.orm import Mapped, mapped_column", id="models"),
        pytest.param("from sqlalchemy.exc import IntegrityError", id="errors"),
        pytest.param("executor.execute(task)", id="another-execute"),
        pytest.param("missions.add(mission)", id="another-add"),
        pytest.param("self.repository.session.flush()", id="flush"),
        pytest.param("from shifty_pipelines.kernel.sealed import text", id="another-text"),
    ],
)
def test_what_only_looks_like_sql_is_free(code: str) -> None:
    assert found(tenant_scope.check, SERVICE, code) == []


# ----------------------------------------------------------------------------------------------------- scoped classes


@pytest.mark.parametrize("bases", ["", "(Base)", "(Protocol)", "(Repository)"])
def test_a_repository_that_needs_no_tenant_is_found(bases: str) -> None:
    code = f"class MissionRepository{bases}:\n    ..."

    assert found(tenant_scope.check, REPOSITORY_FILE, code) == ["1 unscoped-repository"]
    assert found(tenant_scope.check, SERVICE, code) == ["1 unscoped-repository"]


@pytest.mark.parametrize("bases", ["(ScopedRepository)", "(Locking, ScopedRepository)", "(MissionBaseRepository)"])
def test_a_scoped_repository_is_free(bases: str) -> None:
    assert found(tenant_scope.check, REPOSITORY_FILE, f"class MissionRepository{bases}:\n    ...") == []


def test_the_kernels_own_repository_is_free() -> None:
    code = "class ScopedRepository:\n    ..."

    assert found(tenant_scope.check, "shifty_pipelines/kernel/repository.py", code) == []


# ------------------------------------------------------------------------------------------------------ tenant header


@pytest.mark.parametrize(
    "code",
    [
        pytest.param('request.headers["X-Tenant-Id"]', id="text"),
        pytest.param('headers.get(b"x-tenant-id")', id="bytes"),
        pytest.param('log.info(f"X-TENANT-ID: {value}")', id="formatted"),
        pytest.param("def route(x_tenant_id: Annotated[str, Header()]): ...", id="parameter"),
    ],
)
def test_a_tenant_read_from_a_header_is_found_except_for_webhooks(code: str) -> None:
    assert found(tenant_scope.check, "shifty_pipelines/api/guard.py", code) == ["1 tenant-header"]
    assert found(tenant_scope.check, "shifty_pipelines/api/routes/webhooks.py", code) == []


def test_a_docstring_may_speak_of_the_header() -> None:
    code = 'def guard():\n    """X-Tenant-Id is not read here."""\n'

    assert found(tenant_scope.check, "shifty_pipelines/api/guard.py", code) == []


# ---------------------------------------------------------------------------------------------- transactions, network


@pytest.mark.parametrize(
    "code",
    ["session.commit()", "self.scope.session.rollback()", "with session.begin(): ...", "session.begin(nested=True)"],
)
def test_a_commit_is_found_outside_the_unit_of_work(code: str) -> None:
    assert found(no_commit.check, SERVICE, code) == ["1 commit-outside-unit-of-work"]
    assert found(no_commit.check, "shifty_pipelines/kernel/store.py", code) == ["1 commit-outside-unit-of-work"]
    assert found(no_commit.check, "shifty_pipelines/kernel/db.py", code) == []
    assert found(no_commit.check, "shifty_pipelines/kernel/isolation.py", code) == []
    assert found(no_commit.check, "shifty_trainer/checkpoints.py", code) == []


@pytest.mark.parametrize(
    "code", ["session.begin_nested()", "savepoint.rollback()", 'repo.commit("message")', "commit()", "session.commit"]
)
def test_a_savepoint_or_another_commit_is_free(code: str) -> None:
    assert found(no_commit.check, SERVICE, code) == []


@pytest.mark.parametrize(
    "code",
    [
        "import httpx",
        "import requests.adapters",
        "from urllib import request",
        "from http.client import HTTPConnection",
        "import json, socket",
    ],
)
def test_the_network_is_found_in_contexts_except_their_adapters(code: str) -> None:
    assert found(no_commit.check, SERVICE, code) == ["1 network-in-context"]
    assert found(no_commit.check, "shifty_pipelines/contexts/gpu/adapters/vastai.py", code) == []
    assert found(no_commit.check, "shifty_pipelines/contexts/gpu/adapters.py", code) == []
    assert found(no_commit.check, "shifty_pipelines/kernel/http.py", code) == []


@pytest.mark.parametrize(
    "code", ["from urllib.parse import urlsplit", "from http import HTTPStatus", "import socketserver_"]
)
def test_a_module_that_opens_no_connection_is_free(code: str) -> None:
    assert found(no_commit.check, SERVICE, code) == []


# --------------------------------------------------------------------------------------------------------------- shape


def function(*lines: str, arguments: str = "") -> str:
    return f"def step({arguments}):\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def nest(*headers: str, under: tuple[str, ...] = ()) -> str:
    """A function of blocks inside each other, the first of them inside the last line of `under`."""
    lines = [f"{header}:" for header in (*under[-1:], *headers)]
    return function(*under[:-1], *("    " * depth + line for depth, line in enumerate([*lines, "pass"])))


@pytest.mark.parametrize(
    ("too_much", "just_right", "code"),
    [
        pytest.param("x = 1\n" * 401, "x = 1\n" * 400, "file-too-long", id="file"),
        pytest.param(function(*["x = 1"] * 41), function(*["x = 1"] * 40), "function-too-long", id="function"),
        pytest.param(
            function('"""One', "two.", '"""', *["x = 1"] * 41),
            function('"""One', "two.", '"""', *["x = 1"] * 40),
            "function-too-long",
            id="docstring-is-free",
        ),
        pytest.param(
            function("x = (", *["1,"] * 39, ")"),
            function("x = (", *["1,"] * 38, ")"),
            "function-too-long",
            id="lines-not-statements",
        ),
        pytest.param(
            function("pass", arguments="a, b, c, d, e, f, g"),
            function("pass", arguments="a, b, c, d, e, f"),
            "too-many-arguments",
            id="arguments",
        ),
        pytest.param(
            function("pass", arguments="a, /, b, *, c, d, e, f, g"),
            function("pass", arguments="self, a, /, b, *, c, d, e, f"),
            "too-many-arguments",
            id="every-kind-of-argument",
        ),
        pytest.param(
            nest("if a", "for b in c", "while d", "with e", "if f"),
            nest("if a", "for b in c", "while d", "with e"),
            "nested-too-deep",
            id="depth",
        ),
        pytest.param(
            nest("if a", "for b in c", "match d", "case 1", "if e", "if f"),
            nest("if a", "for b in c", "match d", "case 1", "if e"),
            "nested-too-deep",
            id="depth-through-match",
        ),
        pytest.param(
            nest("if a", "if b", "if c", "if d", under=("try:", "    x = 1", "except E")),
            nest("if a", "if b", "if c", under=("try:", "    x = 1", "except E")),
            "nested-too-deep",
            id="depth-in-a-handler",
        ),
        pytest.param(
            nest("if a", "if b", "if c", "if d", under=("if x:", "    x = 1", "elif y")),
            nest("if a", "if b", "if c", under=("if x:", "    x = 1", "elif y")),
            "nested-too-deep",
            id="elif-is-as-deep-as-its-if",
        ),
        pytest.param(
            nest("if a", "if b", "def inner()", "if c", "if d", "if e", "if f", "if g"),
            nest("if a", "if b", "def inner()", "if c", "if d", "if e", "if f"),
            "nested-too-deep",
            id="a-nested-function-starts-anew",
        ),
    ],
)
def test_a_shape_over_the_budget_is_found_and_one_at_the_limit_is_not(
    too_much: str, just_right: str, code: str
) -> None:
    assert [line.split()[1] for line in found(shape.check, SERVICE, too_much)] == [code]
    assert found(shape.check, SERVICE, just_right) == []


def test_the_flags_of_a_command_are_not_counted() -> None:
    command = "@app.command()\n" + function("pass", arguments="a, b, c, d, e, f, g")

    assert found(shape.check, "shifty_pipelines/cli/people.py", command) == []
    assert found(shape.check, SERVICE, command) == ["2 too-many-arguments"]
    undecorated = command.split("\n", maxsplit=1)[1]
    assert found(shape.check, "shifty_pipelines/cli/people.py", undecorated) == ["1 too-many-arguments"]


# -------------------------------------------------------------------------------------------------------- command line


def lint(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.lints", *names],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_each_finding_once_with_its_place_and_fails(tmp_path: Path) -> None:
    service = tmp_path / SERVICE
    service.parent.mkdir(parents=True)
    service.write_text("import httpx\n\nsession.commit()\n")

    result = lint(tmp_path, "shifty_pipelines", "shifty_pipelines")

    network, commit = result.stdout.splitlines()
    assert network.startswith(f"{SERVICE}:1: network-in-context `httpx` inside a context: ")
    assert commit.startswith(f"{SERVICE}:3: commit-outside-unit-of-work `.commit()` belongs to kernel/db.py: ")
    assert result.returncode == 1


def test_the_command_is_silent_and_succeeds_on_clean_code(tmp_path: Path) -> None:
    service = tmp_path / SERVICE
    service.parent.mkdir(parents=True)
    service.write_text("def complete() -> None: ...\n")

    result = lint(tmp_path, "shifty_pipelines")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_command_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    # A misspelt folder must not pass as a clean one.
    result = lint(tmp_path, "shifty_pipeline")

    assert (result.returncode, result.stdout) == (2, "no such folder: shifty_pipeline\n")
