"""Sends webhooks when the sidecar does not: both take deliveries from the same queue, so either may be down."""

import dagster as dg

from shifty_pipelines.resources.platform import PlatformResource

INTERVAL_S = 15
#: No attempt is begun after this, so that one evaluation ends within Dagster's minute.
BEGIN_FOR_S = 10.0


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, name="webhooks")
def webhooks_sensor(platform: PlatformResource) -> dg.SkipReason:
    """Send what is due; starts no run, hence always a skip that says how many attempts it made."""
    with platform.opened() as opened:
        senders = opened.webhook_senders()
        attempts = senders.drain(for_s=BEGIN_FOR_S)
        senders.close()
    return dg.SkipReason(f"{attempts} webhook(s) attempted")
