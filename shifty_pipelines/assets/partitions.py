"""Partitions: one per tenant, added when a tenant first has something to do; never per label or mission type."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

tenants = dg.DynamicPartitionsDefinition(name="tenants")


def tenant_check(
    asset: dg.AssetKey, name: str, *, says: str, is_blocking: bool = True, metadata: Mapping[str, Any] | None = None
) -> dg.AssetCheckSpec:
    """A check judged for each tenant on its own; it stops what follows its asset, or warns."""
    with warnings.catch_warnings():
        # Partitioned checks are "in preview" here; without them one tenant's green would hide another's red.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=says, blocking=is_blocking, partitions_def=tenants, metadata=metadata
        )
