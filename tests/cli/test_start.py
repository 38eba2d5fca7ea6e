"""What a start refuses, and what a refused start leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shifty_pipelines.cli.start import RemoteRunsRefused, prepare, refuse_remote_runs
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.settings import Settings
from tests.cli.conftest import Answer

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


def test_a_start_that_is_refused_leaves_no_server_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_shifty: Callable[..., Answer]
) -> None:
    """A server that lives on would, once its data is removed, take the socket of the next one with it."""
    monkeypatch.setenv("SHIFTY_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    server = EmbeddedPostgres(tmp_path, major=Settings().embedded_major)
    try:
        server.start()
        server.stop()
        (tmp_path / "secrets" / "postgres-superuser").write_text("another")
        for command in ("up", "demo"):
            refused = run_shifty(command)
            assert (refused.status, "postgres_password_refused" in refused.err) == (1, True), refused.err
            assert server.postmaster() is None
    finally:
        server.remove()
