"""The documented example as a reader would run it: a file of two projects, one tenant each, one Dagster backfill."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from tests.e2e.running import Running, free_block
from tests.trainer.conftest import LABELS, sample_text

pytestmark = pytest.mark.long  # two adapters of the packaged base by the whole recipe

#: Three labels of these pass the hundred new labels from which a version asks for a training.
PER_REPORT_LABEL = 40
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("reports") / "home"
    started = Running(home, free_block())
    started.up()
    yield started
    started.shifty("down")
    shutil.rmtree(EmbeddedPostgres(home).data_dir.parent, ignore_errors=True)


def test_the_example_trains_each_project_of_a_file_in_one_backfill(running: Running, tmp_path: Path) -> None:
    reports = tmp_path / "reports.csv"
    with reports.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["repo", "label", "title", "body"])
        for seed, repo in enumerate(("first/project", "second/project")):
            rng = np.random.default_rng(seed)
            for number in range(3 * PER_REPORT_LABEL):
                label, kind = LABELS[number % 3], ("bug", "feature", "question")[number % 3]
                rows.writerow([repo, kind, f"report {number}", sample_text(label, rng)])
    command = [sys.executable, "-m", "examples.issue_reports", str(reports)]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=running.environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith(("first/", "second/"))}
    for repo in ("first/project", "second/project"):
        # registered, majority, TF-IDF, frozen head, adapter
        figures = [float(word) for word in said[repo].split()[1:6]]
        assert figures[0] > figures[1], said[repo]
    assert "training/adapters 2/2" in done.stdout, done.stdout
