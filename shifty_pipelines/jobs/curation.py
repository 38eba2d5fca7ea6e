"""The job that makes a tenant's datasets anew, and the schedule that runs it every night."""

from collections.abc import Iterator

import dagster as dg

from shifty_pipelines.assets.partitions import tenants
from shifty_pipelines.flows.tend_curation import tenants_with_labels
from shifty_pipelines.resources.platform import PlatformResource

#: Tag of a run's tenant: one run of a tenant at a time, so that no tenant starves another.
TENANT_TAG = "shifty/tenant"

curate = dg.define_asset_job("curate", selection=dg.AssetSelection.groups("curation"), partitions_def=tenants)


@dg.schedule(
    job=curate,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    name="nightly_curation",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_curation(
    context: dg.ScheduleEvaluationContext, platform: PlatformResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per active tenant with labels; a version is only made where rows changed."""
    with platform.opened() as opened:
        found = [str(tenant_id) for tenant_id in tenants_with_labels(opened)]
    if not found:
        yield dg.SkipReason("no active tenant has labels")
        return
    context.instance.add_dynamic_partitions("tenants", found)
    night = context.scheduled_execution_time.date().isoformat()
    for tenant in found:
        yield dg.RunRequest(run_key=f"{tenant}:{night}", partition_key=tenant, tags={TENANT_TAG: tenant})
