"""The reaper: runs whose worker is gone are failed and their slots freed; their trainers, jobs and files are ended.

Run monitoring does not help with the default launcher: after a kill -9 or a reboot a run stays STARTED for ever and
blocks its tenant's next one. Each machine reaps its own.
"""

import json
import platform as machine

import dagster as dg

from shifty_pipelines.assets.worker_tags import WORKER_TAG
from shifty_pipelines.flows.tend_training import reap
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.resources.platform import PlatformResource

INTERVAL_S = 15
LIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, name="reaper")
def reaper(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """One round; starts no run, hence always a skip that says what it ended."""
    failed = fail_dead_runs(context.instance)
    with platform.opened() as opened:
        reaped = reap(opened)
    return dg.SkipReason(
        f"{failed} run(s) failed, {reaped.jobs} training job(s) taken back, {reaped.trainers} trainer(s) ended, "
        f"{reaped.directories} directories removed"
    )


def fail_dead_runs(instance: dg.DagsterInstance) -> int:
    """Fail this machine's runs whose worker is gone, and free the slots they hold; how many."""
    dead = [run for run in instance.get_runs(filters=dg.RunsFilter(statuses=LIVE)) if _is_orphan(run)]
    for run in dead:
        instance.report_run_failed(run, "The process that worked on this run is gone; the reaper ended the run.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(dead)


def _is_orphan(run: dg.DagsterRun) -> bool:
    if WORKER_TAG not in run.tags:
        return False
    worker = ProcessIdentity(**json.loads(run.tags[WORKER_TAG]))
    return worker.host == machine.node() and not worker.is_alive()
