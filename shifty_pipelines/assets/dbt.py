"""dbt's models as assets, each of its tests as a check; a partition is one tenant's rows of every mart."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from shifty_pipelines.assets.partitions import tenants
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.resources.dbt import MANIFEST, dbt_build
from shifty_pipelines.resources.platform import PlatformResource

#: Bounds how many runs wait; the slot lets one build at a time: each replaces the views, which are not a tenant's.
POOL = SLOT = "dbt"


class FolderAndName(DagsterDbtTranslator):
    """A model's key is its folder and its name; a source's stands in schema.yml."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`marts/fct_labels_per_day`."""
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey(dbt_resource_props["fqn"][1:])
        return super().get_asset_key(dbt_resource_props)


@dbt_assets(
    manifest=MANIFEST,
    name="dbt",
    partitions_def=tenants,
    pool=POOL,
    # One asset of ours may stand for several tables.
    dagster_dbt_translator=FolderAndName(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)),
)
def dbt_models(context: dg.AssetExecutionContext, platform: PlatformResource) -> Iterator[Any]:
    """Build the tenant's rows, each model after the tests of those before it; a failed test stops what follows."""
    with (
        platform.opened() as opened,
        opened.slots.hold(SLOT, on_wait=lambda: context.log.info("dbt builds for another run")),
        opened.runs.private(f"dbt-{context.run.run_id}") as directory,
        dbt_build(
            context,
            url=opened.dbt_url,
            tenant_id=TenantId(uuid.UUID(context.partition_key)),
            directory=directory,
        ) as invocation,
    ):
        yield from invocation.stream()
