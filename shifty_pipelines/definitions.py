"""The code location: `build_definitions(**overrides)` -> Definitions, and nothing else."""

import dagster as dg

from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.sensors.outbox import outbox_sensor


def build_definitions(*, platform: dg.ConfigurableResource | None = None) -> dg.Definitions:  # type: ignore[type-arg]
    """Everything Dagster knows of this platform.

    Args:
        platform: another platform resource, for tests and tools; the default reads the settings.
    """
    return dg.Definitions(
        sensors=[outbox_sensor],
        resources={"platform": platform or PlatformResource()},
    )


defs = build_definitions()
