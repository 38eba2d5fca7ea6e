"""The code location: `build_definitions(**overrides)` -> Definitions, and nothing else."""

import dagster as dg

from shifty_pipelines.assets import curation
from shifty_pipelines.assets.dbt import dbt_models
from shifty_pipelines.assets.training import adapters
from shifty_pipelines.jobs.curation import curate, nightly_curation
from shifty_pipelines.jobs.dbt import marts, nightly_marts
from shifty_pipelines.jobs.training import curate_and_train, train
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.sensors.arcade import expiry
from shifty_pipelines.sensors.curation import new_labels
from shifty_pipelines.sensors.integrations import webhooks_sensor
from shifty_pipelines.sensors.outbox import outbox_sensor
from shifty_pipelines.sensors.reaper import reaper
from shifty_pipelines.sensors.training import training_failures, training_requests


def build_definitions(*, platform: dg.ConfigurableResource | None = None) -> dg.Definitions:  # type: ignore[type-arg]
    """Everything Dagster knows of this platform.

    Args:
        platform: another platform resource, for tests and tools; the default reads the settings.
    """
    return dg.Definitions(
        assets=[*curation.steps, curation.datasets, adapters, dbt_models],
        asset_checks=curation.expectations,
        jobs=[curate, train, curate_and_train, marts],
        schedules=[nightly_curation, nightly_marts],
        sensors=[new_labels, outbox_sensor, webhooks_sensor, training_requests, training_failures, reaper, expiry],
        resources={"platform": platform or PlatformResource()},
        # A process per op costs seconds each; heavy work is a subprocess of its own anyway.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
