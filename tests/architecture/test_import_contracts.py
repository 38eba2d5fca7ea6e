"""Every import contract bites: violations are planted in a copy of the tree, and each must show under its contract."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("shifty_pipelines", "shifty_trainer", "shifty_emulators")

LAYERS = "Shell > bootstrap > flows > contexts > kernel"
INDEPENDENCE = "Contexts do not know each other"
CONTEXT = "Inside a context"
FRAMEWORKS = "Frameworks stay in the shells"
HTTP = "The HTTP shell does not know Dagster"
DOMAIN = "Domain is pure"
ADAPTERS = "Only bootstrap picks adapters"
TRAINER = "The trainer knows nothing of the platform"
EMULATORS = "Emulators import nothing of ours"


@dataclass(frozen=True, slots=True)
class Violation:
    """A line appended to a module of the copy; without `imported`, the module's mere existence."""

    contract: str
    module: str
    imported: str = ""

    @property
    def shown_as(self) -> str:
        return f"{self.module} -> {self.imported} (l." if self.imported else f"- {self.module}\n"


VIOLATIONS: Mapping[str, Violation] = {
    "the kernel imports the settings": Violation(LAYERS, "shifty_pipelines.kernel.clock", "shifty_pipelines.settings"),
    "the kernel imports a context": Violation(LAYERS, "shifty_pipelines.kernel.ids", "shifty_pipelines.contexts.gpu"),
    "a context imports a flow": Violation(LAYERS, "shifty_pipelines.contexts.gpu.service", "shifty_pipelines.flows"),
    "a flow imports bootstrap": Violation(LAYERS, "shifty_pipelines.flows.planted", "shifty_pipelines.bootstrap"),
    "a new folder lies beside the layers": Violation(LAYERS, "shifty_pipelines.helpers"),
    "a context imports another": Violation(
        INDEPENDENCE, "shifty_pipelines.contexts.arcade.planted", "shifty_pipelines.contexts.curation"
    ),
    "a repository imports its service": Violation(
        CONTEXT, "shifty_pipelines.contexts.gpu.repository", "shifty_pipelines.contexts.gpu.service"
    ),
    "a domain imports its models": Violation(
        CONTEXT, "shifty_pipelines.contexts.gpu.domain", "shifty_pipelines.contexts.gpu.models"
    ),
    "a stray module lies in a context": Violation(CONTEXT, "shifty_pipelines.contexts.gpu.utils"),
    "a service imports dagster": Violation(FRAMEWORKS, "shifty_pipelines.contexts.gpu.service", "dagster"),
    "a service imports dagster_pipes": Violation(FRAMEWORKS, "shifty_pipelines.contexts.gpu.service", "dagster_pipes"),
    "the kernel imports fastapi": Violation(FRAMEWORKS, "shifty_pipelines.kernel.errors", "fastapi"),
    "a flow imports dagster": Violation(FRAMEWORKS, "shifty_pipelines.flows.planted", "dagster"),
    "a route imports dagster": Violation(HTTP, "shifty_pipelines.api.routes.planted", "dagster"),
    "a route imports an asset": Violation(HTTP, "shifty_pipelines.api.routes.planted", "shifty_pipelines.assets"),
    "a domain module imports sqlalchemy": Violation(DOMAIN, "shifty_pipelines.contexts.gpu.domain", "sqlalchemy"),
    "a module of a domain folder imports sqlalchemy": Violation(
        DOMAIN, "shifty_pipelines.contexts.arcade.domain.planted", "sqlalchemy"
    ),
    "a route imports an adapter": Violation(
        ADAPTERS, "shifty_pipelines.api.routes.planted", "shifty_pipelines.contexts.gpu.adapters.memory"
    ),
    "a service imports an adapter": Violation(
        ADAPTERS, "shifty_pipelines.contexts.gpu.service", "shifty_pipelines.contexts.gpu.adapters.memory"
    ),
    "the trainer imports the platform": Violation(TRAINER, "shifty_trainer.planted", "shifty_pipelines.kernel.clock"),
    "the trainer imports sqlalchemy": Violation(TRAINER, "shifty_trainer.planted", "sqlalchemy"),
    "an emulator imports the platform": Violation(
        EMULATORS, "shifty_emulators.vastai", "shifty_pipelines.kernel.clock"
    ),
    "an emulator imports the trainer": Violation(EMULATORS, "shifty_emulators.vastai", "shifty_trainer"),
}


def copy_tree(target: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", target)
    return target


def module_file(tree: Path, module: str) -> Path:
    """The module's file in the copy; created, with its packages, if it is not there yet."""
    path = tree.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.touch()
    return path


def plant(tree: Path, violation: Violation) -> None:
    path = module_file(tree, violation.module)
    if violation.imported:
        if violation.imported.startswith(PACKAGES):
            module_file(tree, violation.imported)
        path.write_text(f"{path.read_text()}\nimport {violation.imported}\n")


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=tree,
        env=os.environ | {"COLUMNS": "300"},  # a report line is not wrapped
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What is reported under each broken contract when everything in VIOLATIONS is planted at once."""
    tree = copy_tree(tmp_path_factory.mktemp("planted"))
    for violation in VIOLATIONS.values():
        plant(tree, violation)
    result = lint_imports(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    headings_and_texts = re.split(r"^(.+)\n-+\n", result.stdout.split("Broken contracts\n")[1], flags=re.MULTILINE)
    return dict(zip(headings_and_texts[1::2], headings_and_texts[2::2], strict=True))


@pytest.mark.parametrize("violation", [pytest.param(one, id=name) for name, one in VIOLATIONS.items()])
def test_a_planted_violation_is_reported_under_its_contract(reports: Mapping[str, str], violation: Violation) -> None:
    assert violation.shown_as in reports.get(violation.contract, "")


def test_the_tree_as_it_is_keeps_every_contract_and_each_has_a_planted_violation(tmp_path: Path) -> None:
    result = lint_imports(copy_tree(tmp_path))

    assert result.returncode == 0, result.stdout + result.stderr
    assert set(re.findall(r"^(.+) KEPT$", result.stdout, flags=re.MULTILINE)) == {
        violation.contract for violation in VIOLATIONS.values()
    }
