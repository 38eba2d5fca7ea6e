"""Which runs Dagster does again by itself: those of jobs that nobody asks for again, if they died."""

import dagster as dg
import pytest
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.test_utils import create_run_for_test, instance_for_test

from shifty_pipelines.cli.start import DAGSTER_YAML
from shifty_pipelines.definitions import build_definitions


@pytest.mark.parametrize(
    ("job", "reason", "is_done_again"),
    [
        pytest.param("curate", RunFailureReason.RUN_EXCEPTION, True, id="curation that died"),
        pytest.param("marts", RunFailureReason.UNKNOWN, True, id="marts that died"),
        pytest.param("curate", RunFailureReason.STEP_FAILURE, False, id="curation that failed a check"),
        pytest.param("train", RunFailureReason.RUN_EXCEPTION, False, id="training, which counts its own attempts"),
    ],
)
def test_a_run_that_died_is_done_again(job: str, reason: RunFailureReason, *, is_done_again: bool) -> None:
    tags = build_definitions().resolve_job_def(job).tags
    with instance_for_test(overrides={"run_retries": yaml.safe_load(DAGSTER_YAML)["run_retries"]}) as instance:
        run = create_run_for_test(instance, job_name=job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
        assert auto_reexecution_should_retry_run(instance, run, reason) is is_done_again
