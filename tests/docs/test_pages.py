"""The pages say what is: routes, commands, make targets, links."""

import re
from pathlib import Path

import pytest
import typer.main

from shifty_pipelines.cli import app
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_page_of_routes_is_the_permission_table() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run: python -m tools.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_and_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|\$ |&& )make ([a-z][a-z0-9-]*)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    group = typer.main.get_command(app)
    for words in re.findall(r"`shifty ([a-z][a-z -]*?)(?: \[|`| --)", text):
        command = group
        for word in words.split():
            command = command.commands[word]  # type: ignore[attr-defined]


def test_every_command_and_option_has_a_help_text() -> None:
    def walk(command: object, path: str) -> list[str]:
        silent = [] if getattr(command, "help", None) else [path]
        for parameter in getattr(command, "params", []):
            named = parameter.param_type_name == "option" and not getattr(parameter, "help", None)
            silent += [f"{path} {parameter.name}"] if named else []
        for name, child in getattr(command, "commands", {}).items():
            silent += walk(child, f"{path} {name}")
        return silent

    assert walk(typer.main.get_command(app), "shifty") == []


def test_every_context_that_is_built_has_a_page() -> None:
    built = {path.parent.name for path in (ROOT / "shifty_pipelines" / "contexts").glob("*/service*")}
    assert {path.stem for path in (ROOT / "docs" / "contexts").glob("*.md")} >= built


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=lambda page: page.stem)
def test_every_decision_has_its_five_parts(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives considered", "References"]


def test_no_page_has_a_gap_left_to_fill() -> None:
    assert [page.name for page in PAGES if "@@" in page.read_text()] == []
