"""Leases and missions whose time is over are ended, also while nobody asks for one."""

import dagster as dg

from shifty_pipelines.flows.tend_missions import tend_missions
from shifty_pipelines.resources.platform import PlatformResource

INTERVAL_S = 30


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, name="expiry")
def expiry(platform: PlatformResource) -> dg.SkipReason:
    """One round; starts no run, hence always a skip that says what it ended."""
    with platform.opened() as opened:
        tended = tend_missions(opened)
    return dg.SkipReason(f"{tended.leases_ended} lease(s) ended, {tended.missions_closed} mission(s) closed")
