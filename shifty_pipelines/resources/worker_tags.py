"""Every run says which process works on it, so that the reaper can tell a dead worker's run from a slow one."""

import json
import os
from dataclasses import asdict

import dagster as dg

from shifty_pipelines.kernel.process_identity import ProcessIdentity

WORKER_TAG = "shifty/worker"


def record_worker(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write host, boot, number and start of this process onto the run."""
    worker = ProcessIdentity.of(os.getpid())
    if worker is not None:
        instance.add_run_tags(run_id, worker_tags(run_id, worker))


def worker_tags(run_id: str, worker: ProcessIdentity) -> dict[str, str]:
    """The tag that names a run's worker; with the run, since a run that is done again inherits its parent's tags."""
    return {WORKER_TAG: json.dumps({"run": run_id, "worker": asdict(worker)})}


def worker_of(run: dg.DagsterRun) -> ProcessIdentity | None:
    """The process that works on this very run, once it has said so."""
    told = json.loads(run.tags.get(WORKER_TAG, "{}"))
    return ProcessIdentity(**told["worker"]) if told.get("run") == run.run_id else None
