"""`python -m shifty_trainer`: one job, by Dagster Pipes or from a file, then an exit code (`refusals.ExitCode`).

Under Pipes the job is the extra named `job`; Pipes' own parameters come by environment or, where a remote shell carries
none, as `--dagster-pipes-context` and `--dagster-pipes-messages`. `--job FILE` runs without Dagster and writes messages
to standard output. The heavy imports come after the job is parsed, the parent is watched and the libraries are told to
stay off the network.
"""

import argparse
import os  # the libraries below read their settings from the environment at import
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dagster_pipes import PipesCliArgsParamsLoader, PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

from shifty_trainer.collector import resting_collector
from shifty_trainer.job import TrainingJob, parse_job, read_job
from shifty_trainer.parent import die_with_parent
from shifty_trainer.refusals import ExitCode, JobInvalid, TrainerRefusal
from shifty_trainer.reporting import JsonLinesReporter, Kind, PipesReporter, Reporter, identity_of

JOB_EXTRA = "job"


def main(arguments: list[str]) -> ExitCode:
    """Run the one job these arguments, or the Pipes session, describe."""
    parser = argparse.ArgumentParser(prog="python -m shifty_trainer", description="Train one model version.")
    parser.add_argument("--job", type=Path, help="JSON file of the job; without it the job comes by Dagster Pipes")
    known, _ = parser.parse_known_args(arguments)
    if known.job is not None:
        return _attempt(lambda: read_job(known.job), lambda identity: JsonLinesReporter(sys.stdout, identity))
    context = _pipes_context()
    if context is None:
        parser.error("give --job FILE, or launch through Dagster Pipes")
    return _attempt(lambda: _job_extra(context), lambda identity: PipesReporter(context, identity))


def _attempt(read: Callable[[], Mapping[str, Any]], reporter_for: Callable[[Mapping[str, Any]], Reporter]) -> ExitCode:
    try:
        job = parse_job(read())
    except TrainerRefusal as refusal:
        with reporter_for({"jobId": None, "attempt": None, "fencingToken": None}) as reporter:
            return _refuse(reporter, refusal)
    with reporter_for(identity_of(job)) as reporter:
        try:
            return _work(job, reporter)
        except TrainerRefusal as refusal:
            return _refuse(reporter, refusal)
        except Exception as error:  # noqa: BLE001 - the last resort: say where, never what, and fail
            return _crash(reporter, error)


def _work(job: TrainingJob, reporter: Reporter) -> ExitCode:
    if job.parent_pid is not None and not die_with_parent(job.parent_pid):
        return ExitCode.ORPHANED
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _keep_libraries_at_home(job)

    with resting_collector():
        from shifty_trainer.run import run_job  # noqa: PLC0415 - torch and its kin read the environment set just above
        from shifty_trainer.training import StopRequested  # noqa: PLC0415 - as above

    try:
        result = run_job(job, reporter, is_stop_requested=stop.is_set)
    except StopRequested as stopped:
        saved = stopped.saved
        reporter.send(Kind.STOPPED, {"step": saved.step, "checkpoint": str(saved.path), "exitCode": ExitCode.STOPPED})
        return ExitCode.STOPPED
    reporter.send(Kind.RESULT, result.as_message())
    return ExitCode.DONE


def _refuse(reporter: Reporter, refusal: TrainerRefusal) -> ExitCode:
    reporter.send(
        Kind.REFUSAL,
        {
            "code": refusal.code,
            "message": refusal.message,
            "details": refusal.details,
            "exitCode": int(refusal.exit_code),
        },
    )
    return refusal.exit_code


def _crash(reporter: Reporter, error: Exception) -> ExitCode:
    """Say where it broke, not with what: a library's message may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    reporter.send(
        Kind.CRASH, {"error": type(error).__name__, "places": places[-12:], "exitCode": int(ExitCode.CRASHED)}
    )
    return ExitCode.CRASHED


def _pipes_context() -> PipesContext | None:
    loaders = (PipesCliArgsParamsLoader(), PipesEnvVarParamsLoader())  # type: ignore[no-untyped-call] # untyped there
    for params_loader in loaders:
        if params_loader.is_dagster_pipes_process():
            return open_dagster_pipes(params_loader=params_loader)
    return None


def _job_extra(context: PipesContext) -> Mapping[str, Any]:
    job = context.extras.get(JOB_EXTRA)
    if not isinstance(job, Mapping):
        raise JobInvalid("(extras)", sorted(context.extras), f"the job as the Pipes extra {JOB_EXTRA!r}")
    return job


def _keep_libraries_at_home(job: TrainingJob) -> None:
    """No network, no plaintext outside the run directory, the same sums every time."""
    os.environ.update(  # noqa: TID251 - written for the libraries, not read for ourselves
        {
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(job.cache_dir),
            "TOKENIZERS_PARALLELISM": "false",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
