"""One pinned set of versions: Dagster's packages fit together, and every dependency is pinned."""

import re
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

#: Dagster releases its core and its integrations in pairs, 1.x.y with 0.(x+16).y.
DAGSTER = {
    "dagster": "1.13.27",
    "dagster-dbt": "0.29.27",
    "dagster-graphql": "1.13.27",
    "dagster-pipes": "1.13.27",
    "dagster-postgres": "0.29.27",
    "dagster-shared": "1.13.27",
    "dagster-webserver": "1.13.27",
}


def constraints() -> list[str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def pins() -> dict[str, str]:
    return dict(line.split("==", maxsplit=1) for line in constraints())


def canonical(requirement: str) -> str:
    """The normal form of a requirement's name (PEP 503), extras and versions left out."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_dagster_is_pinned_to_one_release() -> None:
    assert {name: pin for name, pin in pins().items() if name.startswith("dagster")} == DAGSTER


@pytest.mark.parametrize("name", DAGSTER)
def test_the_installed_dagster_is_the_pinned_one(name: str) -> None:
    assert version(name) == DAGSTER[name]


def test_every_declared_dependency_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = chain(project["dependencies"], *project["optional-dependencies"].values())

    assert sorted({canonical(requirement) for requirement in declared} - pins().keys()) == []


def test_constraints_are_exact_versions_by_name_and_nothing_else() -> None:
    # No index, link or file address either: where packages come from is the user's to set.
    exact = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][A-Za-z0-9.+!]*")

    assert [line for line in constraints() if not exact.fullmatch(line)] == []
