"""The API, the code location and the commands start without the heavy libraries: they cost seconds and gigabytes."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "datasets", "sklearn", "great_expectations")
#: What is started as a process, and all that lies in these folders; they import the rest of the platform.
SHELLS = ("definitions", "webserver", "cli", "api", "assets", "jobs", "sensors", "resources")

#: Imports every module of the shells, one after the other; prints which heavy libraries appeared with which.
IMPORT_SHELLS = """
import importlib, json, pkgutil, sys
heavy, shells = set(sys.argv[1].split(",")), sys.argv[2].split(",")
appeared = {}
def load(name):
    before = set(sys.modules)
    module = importlib.import_module(name)
    appeared[name] = sorted((set(sys.modules) - before) & heavy)
    return module
for shell in shells:
    package = load("shifty_pipelines." + shell)
    for inner in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
        if not inner.name.endswith(".__main__"):
            load(inner.name)
print(json.dumps(appeared))
"""


def test_no_module_of_a_shell_loads_a_heavy_library() -> None:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_SHELLS, ",".join(HEAVY), ",".join(SHELLS)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    appeared = json.loads(result.stdout)

    assert {"shifty_pipelines.definitions", "shifty_pipelines.api.app", "shifty_pipelines.cli"} <= appeared.keys()
    assert {module: libraries for module, libraries in appeared.items() if libraries} == {}


def test_the_heavy_libraries_are_installed_so_that_their_absence_means_something() -> None:
    assert [name for name in HEAVY if importlib.util.find_spec(name) is None] == []
