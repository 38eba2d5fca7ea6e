"""Delivers the outbox when the sidecar does not: both take work through the same queue, so either may be down."""

import dagster as dg

from shifty_pipelines.resources.platform import PlatformResource

INTERVAL_S = 15


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, name="outbox")
def outbox_sensor(platform: PlatformResource) -> dg.SkipReason:
    """Deliver what is due; starts no run, hence always a skip that says how many events it moved."""
    with platform.opened() as opened:
        dispatcher = opened.dispatcher()
        delivered = dispatcher.drain()
        dispatcher.settle()
    return dg.SkipReason(f"{delivered} event(s) delivered or deferred")
