"""Training requests become runs, and runs that fail before they begin are counted."""

import uuid

import dagster as dg

from shifty_pipelines.assets.partitions import tenants
from shifty_pipelines.flows.tend_training import DueTraining, count_failed_run, due_trainings
from shifty_pipelines.jobs.nightly import TENANT_TAG
from shifty_pipelines.jobs.training import curate_and_train, train
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.resources.platform import PlatformResource

#: Somebody waits for a training that they requested; a look at the queue costs one query.
INTERVAL_S = 2
#: A run that failed is seldom, and each look reads Dagster's event log.
FAILURES_INTERVAL_S = 15

JOB_TAG = "shifty/training_job"
ATTEMPT_TAG = "shifty/attempt"


@dg.sensor(
    job=train,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    name="training_requests",
)
def training_requests(platform: PlatformResource) -> dg.SensorResult:
    """One run per tenant, for its oldest queued job and attempt: it takes the tenant's other jobs too.

    Asking twice for one is harmless, since the run key holds both.
    """
    with platform.opened() as opened:
        waiting = due_trainings(opened)
    due = list({training.tenant_id: training for training in reversed(waiting)}.values())
    names = sorted({str(training.tenant_id) for training in due})
    return dg.SensorResult(
        run_requests=[_request(training) for training in due],
        dynamic_partitions_requests=[tenants.build_add_request(names)] if names else [],
        skip_reason=None if due else dg.SkipReason("no training waits"),
    )


@dg.run_failure_sensor(
    monitored_jobs=[train, curate_and_train],
    name="training_failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=FAILURES_INTERVAL_S,
)
def training_failures(context: dg.RunFailureSensorContext, platform: PlatformResource) -> None:
    """Count a failed run that never took its job, so that the next one gets a run key of its own."""
    tags = context.dagster_run.tags
    if JOB_TAG not in tags:
        return
    due = DueTraining(
        tenant_id=TenantId(uuid.UUID(tags[TENANT_TAG])),
        job_id=uuid.UUID(tags[JOB_TAG]),
        attempt=int(tags[ATTEMPT_TAG]),
    )
    with platform.opened() as opened:
        count_failed_run(opened, due)


def _request(training: DueTraining) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{training.job_id}:{training.attempt}",
        partition_key=str(training.tenant_id),
        tags={
            TENANT_TAG: str(training.tenant_id),
            JOB_TAG: str(training.job_id),
            ATTEMPT_TAG: str(training.attempt),
        },
    )
