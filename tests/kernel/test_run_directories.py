"""Private directories: gone on every exit path, and by a sweep after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shifty_pipelines.kernel.run_directories import OWNER_NAME, UNCLAIMED_S, RunDirectories

DIES_INSIDE = """
import os, signal, sys
from pathlib import Path
from shifty_pipelines.kernel.run_directories import RunDirectories
with RunDirectories(Path(sys.argv[1])).private("killed") as directory:
    (directory / "text").write_text("a text")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def runs(tmp_path: Path) -> RunDirectories:
    return RunDirectories(tmp_path / "runs")


def test_a_directory_goes_with_its_block_and_a_sweep_leaves_the_living_ones(runs: RunDirectories) -> None:
    with runs.private("work") as directory:
        (directory / "text").write_text("a text")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert runs.sweep() == []
        assert directory.is_dir()
    assert not directory.exists()


def test_what_a_killed_process_left_is_swept(runs: RunDirectories, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES_INSIDE, str(tmp_path / "runs")], check=False)
    assert (tmp_path / "runs" / "killed" / "text").exists()
    assert runs.sweep() == ["killed"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_directory_whose_maker_was_killed_before_it_noted_itself_is_swept_after_a_while(
    runs: RunDirectories, tmp_path: Path
) -> None:
    unclaimed = tmp_path / "runs" / "unclaimed"
    unclaimed.mkdir(parents=True)
    assert runs.sweep() == []
    long_ago_s = unclaimed.stat().st_mtime - UNCLAIMED_S
    os.utime(unclaimed, (long_ago_s, long_ago_s))
    assert runs.sweep() == ["unclaimed"]


def test_the_owners_note_is_never_seen_half_written(runs: RunDirectories) -> None:
    with runs.private("work") as directory:
        assert [path.name for path in directory.iterdir()] == [OWNER_NAME]
        assert json.loads((directory / OWNER_NAME).read_text())["pid"] == os.getpid()
