"""A job every night, one run per active tenant that has labels."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from shifty_pipelines.flows.tend_curation import tenants_with_labels
from shifty_pipelines.resources.platform import PlatformResource

#: Tag of a run's tenant: one run of a tenant at a time, so that no tenant starves another.
TENANT_TAG = "shifty/tenant"
#: For jobs that nobody asks for again: a run whose worker died is done again from its first step, which overwrites what
#: was left; one that failed is not (`run_retries` in dagster.yaml).
DONE_AGAIN = {"dagster/max_retries": "2", "dagster/retry_strategy": "ALL_STEPS"}


def nightly(job: Any, *, name: str, cron: str) -> dg.ScheduleDefinition:
    """Run `job`, what `define_asset_job` gave (Dagster exports no type for it), for each tenant at `cron` (UTC)."""

    @dg.schedule(
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        name=name,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def scheduled(
        context: dg.ScheduleEvaluationContext, platform: PlatformResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with platform.opened() as opened:
            found = [str(tenant_id) for tenant_id in tenants_with_labels(opened)]
        if not found:
            yield dg.SkipReason("no active tenant has labels")
            return
        context.instance.add_dynamic_partitions("tenants", found)
        night = context.scheduled_execution_time.date().isoformat()
        for tenant in found:
            yield dg.RunRequest(run_key=f"{tenant}:{night}", partition_key=tenant, tags={TENANT_TAG: tenant})

    return scheduled
