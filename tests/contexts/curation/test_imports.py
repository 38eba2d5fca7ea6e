import subprocess
import sys

import pytest

MODULES = [
    "agreement",
    "calibration",
    "cleaning",
    "components",
    "consensus",
    "dawid_skene",
    "expectation_maximisation",
    "majority",
    "metrics",
    "minhash",
    "near_duplicates",
    "one_coin",
    "pii",
    "pii_checks",
    "posterior",
    "splits",
    "votes",
]

PROBE = """
import importlib, sys
for name in {modules!r}:
    importlib.import_module("shifty_pipelines.contexts.curation.domain." + name)
print(" ".join(sorted({heavy!r} & sys.modules.keys())))
"""


@pytest.mark.parametrize("heavy", [{"sklearn", "scipy", "pandas", "torch"}])
def test_the_domain_imports_nothing_heavier_than_numpy(heavy: set[str]) -> None:
    probe = PROBE.format(modules=MODULES, heavy=heavy)

    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == ""
