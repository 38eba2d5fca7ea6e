"""What a start refuses before it touches the database."""

from pathlib import Path

import pytest

from shifty_pipelines.cli.start import RemoteRunsRefused, prepare, refuse_remote_runs
from shifty_pipelines.settings import Settings

LAUNCHER = "dagster_k8s.K8sRunLauncher"


def test_remote_runs_are_refused_while_keys_and_objects_are_files_here(tmp_path: Path) -> None:
    with pytest.raises(
        RemoteRunsRefused, match=f"{LAUNCHER}.*{tmp_path}/keys and the asset store at {tmp_path}/assets"
    ):
        prepare(Settings(home=tmp_path, run_launcher=LAUNCHER))
    assert list(tmp_path.iterdir()) == []


def test_a_store_elsewhere_does_not_help_while_the_keys_are_files_here(tmp_path: Path) -> None:
    with pytest.raises(RemoteRunsRefused) as refused:
        refuse_remote_runs(Settings(home=tmp_path, run_launcher=LAUNCHER, store_url="s3://bucket/assets"))
    assert "asset store" not in refused.value.message


def test_local_runs_are_the_default(tmp_path: Path) -> None:
    refuse_remote_runs(Settings(home=tmp_path))
