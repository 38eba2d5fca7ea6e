"""The program as a process of its own: under Dagster, offline, and with a launcher that dies."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from shifty_trainer.refusals import ExitCode
from tests.trainer.conftest import sample_rows, wire_job

# Dagster asks itself a question that it calls a preview; theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in preview")

JobFile = Callable[..., Path]
CANARY = "nightingale"
PATIENCE_S = 60

# Raises where a socket would reach another machine, then runs the module as `python -m` does.
WITHOUT_NETWORK = """
import runpy, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"the trainer used the network: {event} {arguments}")
sys.addaudithook(refuse)
sys.argv = ["shifty_trainer", *sys.argv[1:]]
runpy.run_module("shifty_trainer", run_name="__main__")
"""

LAUNCHER = """
import json, os, subprocess, sys
job = json.loads(open(sys.argv[1]).read())
job["parentPid"] = os.getpid()
open(sys.argv[1], "w").write(json.dumps(job))
command = [sys.executable, "-m", "shifty_trainer", "--job", sys.argv[1]]
trainer = subprocess.Popen(command, stdout=open(sys.argv[2], "w"))
print(trainer.pid, flush=True)
trainer.wait()
"""


def environment(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home), "TMPDIR": str(home)}


def wait_for(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_it_runs_without_network_and_leaves_text_only_in_its_run_directory(job_file: JobFile, tmp_path: Path) -> None:
    rows = sample_rows()
    rows["text"] = [f"{text} {CANARY}" for text in rows.text]
    path = job_file(rows)
    home = tmp_path / "home"

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, "--job", str(path)],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == ExitCode.DONE, done.stdout[-2000:] + done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["kind"] == "result"
    holders = [file for file in tmp_path.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]
    run_dir = tmp_path / "run"
    assert {file.relative_to(run_dir).parts[0] for file in holders} == {"dataset.parquet", "datasets-cache"}
    assert CANARY not in done.stdout + done.stderr


def test_it_dies_with_its_launcher(job_file: JobFile, tmp_path: Path) -> None:
    path, output = job_file(hyperparameters={"epochs": 100, "batchSize": 1}), tmp_path / "messages.jsonl"
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(path), str(output)],
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    trainer = psutil.Process(int(launcher.stdout.readline()))
    assert wait_for(lambda: '"step"' in output.read_text())

    launcher.kill()
    launcher.wait()

    assert wait_for(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
    launcher.stdout.close()


def test_dagster_receives_every_message_while_it_runs(tmp_path: Path, base_model: Path) -> None:
    received: list[dict[str, Any]] = []
    job = wire_job(tmp_path / "run", base_model)

    @dg.asset
    def model(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient) -> dg.MaterializeResult[None]:
        done = pipes.run(
            command=[sys.executable, "-m", "shifty_trainer"],
            context=context,
            extras={"job": {**job, "parentPid": os.getpid()}},
            env=environment(tmp_path / "home"),
        )
        received.extend(done.get_custom_messages())
        return dg.MaterializeResult()

    client = dg.PipesSubprocessClient(message_reader=dg.PipesTempFileMessageReader())
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = dg.materialize([model], resources={"pipes": client}, instance=instance)
        logged = [entry.user_message for entry in instance.all_logs(outcome.run_id)]

    assert outcome.success
    kinds = [message["kind"] for message in received]
    assert kinds[-1] == "result"
    assert [message["step"] for message in received if message["kind"] == "progress" and "step" in message] == list(
        range(1, 9)
    )
    assert {message["fencingToken"] for message in received} == {7}
    assert any(entry.startswith("trainer.planned") for entry in logged)


def test_dagster_sees_a_refusal_and_a_failed_run(tmp_path: Path, base_model: Path) -> None:
    job = wire_job(tmp_path / "run", base_model, kind="full")
    exit_codes: list[int] = []

    @dg.op
    def launch(context: dg.OpExecutionContext) -> None:
        with dg.open_pipes_session(
            context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader(), extras={"job": job}
        ) as session:
            arguments = [f"--{name.lower().replace('_', '-')}={value}" for name, value in _bootstrap(session).items()]
            pairs = [part for argument in arguments for part in argument.split("=", 1)]
            exit_codes.append(
                subprocess.run(
                    [sys.executable, "-m", "shifty_trainer", *pairs], env=environment(tmp_path / "home"), check=False
                ).returncode
            )
        received.extend(session.get_custom_messages())

    received: list[dict[str, Any]] = []

    @dg.job
    def launching() -> None:
        launch()

    assert launching.execute_in_process().success
    assert exit_codes == [ExitCode.JOB_REFUSED]
    assert [(message["kind"], message["code"]) for message in received] == [("refusal", "trainer.job_invalid")]


def _bootstrap(session: Any) -> dict[str, str]:
    """Pipes' parameters as command line arguments, as they are passed over a remote shell."""
    return dict(session.get_bootstrap_env_vars())


@pytest.mark.parametrize("module", ["shifty_trainer.job", "shifty_trainer.__main__", "shifty_trainer.reporting"])
def test_parsing_a_job_imports_no_heavy_library(module: str, tmp_path: Path) -> None:
    program = (
        f"import sys, {module}; print(sorted({{'torch', 'transformers', 'sklearn', 'datasets'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path), capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
