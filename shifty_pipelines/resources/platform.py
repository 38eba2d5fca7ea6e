"""The platform as a Dagster resource: assets and sensors get the plain object of bootstrap, not a Dagster type."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.resources.worker_tags import record_worker
from shifty_pipelines.settings import Settings


class PlatformResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Builds the platform from the settings of the process; no secret is in Dagster's run config."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Say which process works on the run: before its first step, which may wait long for a pool."""
        if context.run is not None and context.instance is not None:
            record_worker(context.instance, context.run.run_id)

    @contextmanager
    def opened(self) -> Iterator[Platform]:
        """The platform, with its connections closed afterwards."""
        platform = build_platform(Settings())
        try:
            yield platform
        finally:
            platform.dispose()
