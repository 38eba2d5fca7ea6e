"""Every run says which process works on it, so that the reaper can tell a dead worker's run from a slow one."""

import json
import os
from dataclasses import asdict

import dagster as dg

from shifty_pipelines.kernel.process_identity import ProcessIdentity

WORKER_TAG = "shifty/worker"


def record_worker(context: dg.AssetExecutionContext) -> None:
    """Write host, boot, number and start of this process onto the run; call it first in every asset."""
    worker = ProcessIdentity.of(os.getpid())
    if worker is not None:
        context.instance.add_run_tags(context.run.run_id, {WORKER_TAG: json.dumps(asdict(worker))})
