"""The reaper: runs whose worker is gone are failed and their slots freed; their trainers, jobs and files are ended.

Run monitoring does not help with the default launcher: after a kill -9 or a reboot a run stays STARTED for ever and
blocks its tenant's next one. Each machine reaps its own.
"""

import json
import os
import platform as machine

import dagster as dg

from shifty_pipelines.flows.tend_training import reap
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.resources.worker_tags import worker_of

INTERVAL_S = 15
LIVE = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
#: Dagster's own note of the code server that was asked to work on a run.
SERVER_TAG = ".dagster/grpc_info"


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, name="reaper")
def reaper(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """One round; starts no run, hence always a skip that says what it ended."""
    server = ProcessIdentity.of(os.getpid())  # sensors are evaluated by the code server itself
    failed = fail_dead_runs(context.instance, server_started_at_s=server.started_at_s if server else 0.0)
    with platform.opened() as opened:
        reaped = reap(opened)
    return dg.SkipReason(
        f"{failed} run(s) failed, {reaped.jobs} training job(s) taken back, {reaped.trainers} trainer(s) ended, "
        f"{reaped.directories} directories removed"
    )


def fail_dead_runs(instance: dg.DagsterInstance, *, server_started_at_s: float) -> int:
    """Fail this machine's runs whose worker is gone, and free the slots they hold; how many.

    Args:
        instance: Dagster's.
        server_started_at_s: since when there is this code server (seconds since the epoch).
    """
    live = instance.get_runs(filters=dg.RunsFilter(statuses=LIVE))
    dead = [run for run in live if _is_orphan(instance, run, server_started_at_s)]
    for run in dead:
        instance.report_run_failed(run, "The process that worked on this run is gone; the reaper ended the run.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(dead)


def _is_orphan(instance: dg.DagsterInstance, run: dg.DagsterRun, server_started_at_s: float) -> bool:
    worker = worker_of(run)
    if worker is not None:
        return worker.host == machine.node() and not worker.is_alive()
    if "socket" not in json.loads(run.tags.get(SERVER_TAG, "{}")):
        return False  # launched by something else than this machine's code server
    # Its worker died before it could say who it is, if it was launched by a code server before this one: workers are
    # in their server's process group, and the supervisor ends the group with the server.
    launched_at_s = instance.get_run_stats(run.run_id).launch_time
    return launched_at_s is not None and launched_at_s < server_started_at_s
