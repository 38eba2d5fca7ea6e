"""Enough new labels become a curation run."""

import dagster as dg

from shifty_pipelines.assets.partitions import tenants
from shifty_pipelines.flows.tend_curation import DueCuration, due_curations
from shifty_pipelines.jobs.curation import curate
from shifty_pipelines.jobs.nightly import TENANT_TAG
from shifty_pipelines.resources.platform import PlatformResource

INTERVAL_S = 30


@dg.sensor(
    job=curate,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    name="new_labels",
)
def new_labels(platform: PlatformResource) -> dg.SensorResult:
    """One run each time a tenant's labels of a mission type cross the threshold; the run key holds both."""
    with platform.opened() as opened:
        due = due_curations(opened)
    names = sorted({str(curation.tenant_id) for curation in due})
    return dg.SensorResult(
        run_requests=[_request(curation) for curation in due],
        dynamic_partitions_requests=[tenants.build_add_request(names)] if names else [],
        skip_reason=None if due else dg.SkipReason("no tenant has enough new labels"),
    )


def _request(curation: DueCuration) -> dg.RunRequest:
    tenant = str(curation.tenant_id)
    return dg.RunRequest(
        run_key=f"{tenant}:{curation.mission_type}:{curation.threshold}:{curation.crossing}",
        partition_key=tenant,
        tags={TENANT_TAG: tenant},
    )
