"""`training/adapters` under Dagster: Pipes, losses while it trains, the gate, and what a killed worker leaves."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.test_utils import create_run_for_test

from shifty_pipelines.assets.training import ADAPTERS
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.training.domain.jobs import JobKind
from shifty_pipelines.definitions import build_definitions
from shifty_pipelines.flows.run_training import run_training
from shifty_pipelines.flows.tend_training import count_failed_run, due_trainings, reap
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.resources.worker_tags import worker_of, worker_tags
from shifty_pipelines.sensors.reaper import SERVER_TAG, fail_dead_runs
from shifty_pipelines.sensors.training import training_requests
from tests.flows.training.conftest import Lab, shuffled
from tests.flows.training.warm_trainer import WarmTrainer
from tests.trainer.conftest import sample_rows


class GivenPlatform(PlatformResource):
    """The platform of the test instead of one made from settings."""

    @contextmanager
    def opened(self) -> Iterator[Platform]:
        yield _given[0]


_given: list[Platform] = []


@pytest.fixture
def resource(workshop: Platform) -> GivenPlatform:
    _given[:] = [workshop]
    return GivenPlatform()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def materialise(lab: Lab, resource: GivenPlatform, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    partition = str(lab.tenant_id)
    instance.add_dynamic_partitions("tenants", [partition])
    job = build_definitions(platform=resource).resolve_job_def("train")
    return job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)


@contextmanager
def dead_process() -> Iterator[ProcessIdentity]:
    """A process that was alive and is not any more."""
    process = subprocess.Popen(["sleep", "60"])
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    process.kill()
    process.wait()
    yield identity


def test_a_run_trains_the_tenants_jobs_and_shows_losses_and_a_passed_gate(
    lab: Lab, resource: GivenPlatform, instance: dg.DagsterInstance
) -> None:
    job_id = lab.request(lab.dataset(), hyperparameters={"epochs": 15, "learningRate": 0.05})
    result = materialise(lab, resource, instance)
    assert result.success
    assert lab.job(job_id).status == "completed"
    (materialisation,) = result.asset_materializations_for_node("training__adapters")
    figures = {name: value.value for name, value in materialisation.metadata.items()}
    assert figures["jobs"] == 1
    line = lab.job(job_id).output_model_id
    assert figures[f"verdict/{line}/1"] == "passed"
    observed = instance.fetch_observations(ADAPTERS, limit=50).records
    steps = [record.asset_observation.metadata["step"].value for record in observed if record.asset_observation]
    assert sorted(steps) == [10, 20, 30]
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("evaluation_gate", True)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    worker = worker_of(run)
    assert worker is not None
    assert worker.pid == psutil.Process().pid


def test_the_gate_fails_the_run_that_made_a_worse_version(
    lab: Lab, warm: WarmTrainer, resource: GivenPlatform, instance: dg.DagsterInstance
) -> None:
    rows = sample_rows({"train": 20, "validation": 8, "test": 35})
    first = lab.request(lab.dataset(rows), kind=JobKind.FROZEN_HEAD)
    run_training(lab.platform, lab.tenant_id, first, trainer=warm)
    with lab.platform.open(lab.actor) as services:
        (line, _) = services.registry.models(after=None, limit=5)
        services.registry.promote(line.id, 1)
    lab.request(lab.dataset(shuffled(rows)), kind=JobKind.FROZEN_HEAD)
    result = materialise(lab, resource, instance)
    (check,) = result.get_asset_check_evaluations()
    assert not result.success
    assert not check.passed
    assert check.metadata["refused"].value == 1
    with lab.platform.open(lab.actor) as services:
        serving = services.registry.serving_version(line.id)
        assert serving is not None
        assert serving.version == 1


def test_a_refused_job_fails_the_run_by_code_and_no_event_carries_a_text(
    lab: Lab, resource: GivenPlatform, instance: dg.DagsterInstance
) -> None:
    rows = sample_rows()
    rows["text"] = "zugspitze " + rows["text"]
    rows.loc[3, "label"] = "praise"
    lab.request(lab.dataset(rows))
    result = materialise(lab, resource, instance)
    assert not result.success
    events = " ".join(str(record.event_log_entry) for record in instance.get_records_for_run(result.run_id).records)
    assert "trainer.cell_invalid" in events
    assert "zugspitze" not in events


def test_the_sensor_asks_once_per_job_and_attempt(
    lab: Lab, resource: GivenPlatform, instance: dg.DagsterInstance, workshop: Platform
) -> None:
    due_trainings(workshop)  # what other tests left waiting is deferred now
    job_id = lab.request(lab.dataset())
    cancelled = lab.request(lab.dataset())
    with lab.platform.open(lab.actor) as services:
        services.training.cancel(cancelled)
    context = dg.build_sensor_context(instance=instance, resources={"platform": resource})
    evaluated = training_requests(context)
    assert isinstance(evaluated, dg.SensorResult)
    (request,) = evaluated.run_requests or []
    assert (request.run_key, request.partition_key) == (f"{job_id}:1", str(lab.tenant_id))
    (added,) = evaluated.dynamic_partitions_requests or []
    assert added.partition_keys == [str(lab.tenant_id)]
    # A run that dies before it takes the job is counted, so the next has another key.
    with lab.platform.open(lab.actor) as services:
        assert services.training.job(job_id).attempt == 0
    from shifty_pipelines.flows.tend_training import DueTraining

    count_failed_run(workshop, DueTraining(tenant_id=lab.tenant_id, job_id=job_id, attempt=1))
    assert lab.job(job_id).attempt == 1


def test_the_reaper_takes_back_the_job_of_a_dead_worker_and_ends_its_trainer(
    lab: Lab, workshop: Platform, models_home: Path
) -> None:
    job_id, alive_id = lab.request(lab.dataset()), lab.request(lab.dataset())
    trainer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    trainer_identity, own = ProcessIdentity.of(trainer.pid), ProcessIdentity.of(psutil.Process().pid)
    assert trainer_identity is not None
    assert own is not None
    with dead_process() as worker:
        with workshop.open(lab.actor) as services:
            lease = services.training.take(job_id, worker)
            services.training.record_trainer(lease, trainer_identity)
            services.training.take(alive_id, own)
        leftover = models_home / "runs" / f"training-{job_id}-1"
        leftover.mkdir(parents=True)
        (leftover / ".owner.json").write_text(json.dumps(asdict(worker)))
        with workshop.runs.private("of-the-living") as living:
            reaped = reap(workshop)
            assert living.exists()
    assert trainer.wait(10) == -9
    assert (reaped.trainers, reaped.directories) == (1, 1)
    assert not leftover.exists()
    assert (lab.job(job_id).status, lab.job(job_id).attempt) == ("queued", 1)
    assert lab.job(alive_id).status == "provisioning"
    assert reap(workshop).jobs == 0


def test_a_run_whose_worker_is_gone_is_failed_and_a_living_one_is_left_alone(instance: dg.DagsterInstance) -> None:
    own = ProcessIdentity.of(psutil.Process().pid)
    assert own is not None

    def started(worker: ProcessIdentity | None, *, inherited: bool = False) -> dg.DagsterRun:
        run_id = str(uuid.uuid4())
        tags = {} if worker is None else worker_tags("its-parent" if inherited else run_id, worker)
        return create_run_for_test(
            instance, run_id=run_id, job_name="train", status=dg.DagsterRunStatus.STARTED, tags=tags
        )

    with dead_process() as dead:
        orphan, living, untold, again = started(dead), started(own), started(None), started(dead, inherited=True)
        elsewhere = started(ProcessIdentity(**{**asdict(dead), "host": "another-machine"}))
    assert fail_dead_runs(instance, server_started_at_s=time.time()) == 1
    runs: list[Any] = [instance.get_run_by_id(run.run_id) for run in (orphan, living, untold, again, elsewhere)]
    assert [run.status.value for run in runs] == ["FAILURE", "STARTED", "STARTED", "STARTED", "STARTED"]


def test_a_run_whose_worker_died_unnamed_is_failed_once_its_code_server_is_gone(instance: dg.DagsterInstance) -> None:
    def launched(tags: Mapping[str, str]) -> dg.DagsterRun:
        run = create_run_for_test(instance, job_name="train", tags=tags)
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_STARTING", "train"), run.run_id)
        return run

    ours = launched({SERVER_TAG: '{"host": "localhost", "socket": "/home/run/code.sock"}'})
    elsewhere = launched({})
    assert fail_dead_runs(instance, server_started_at_s=time.time() - 60) == 0
    assert fail_dead_runs(instance, server_started_at_s=time.time() + 60) == 1
    runs: list[Any] = [instance.get_run_by_id(run.run_id) for run in (ours, elsewhere)]
    assert [run.status.value for run in runs] == ["FAILURE", "STARTING"]


def test_what_dagster_knows_is_what_we_meant() -> None:
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} >= {"training/adapters"}
    assert {key.name for key in graph.asset_check_keys} >= {"evaluation_gate"}
    assert graph.get(ADAPTERS).pools == {"training"}
    names = {sensor.name for sensor in definitions.sensors or []}
    assert names >= {"outbox", "training_requests", "training_failures", "reaper"}
