"""The trainer under Dagster Pipes: a local subprocess whose messages and logs reach the run while it works.

Dagster's own client hands its whole environment on; ours hands on a list without credentials, and starts the trainer
from the caller's thread, which must be the main one (the trainer dies with the thread that launched it).
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg

from shifty_pipelines.kernel.process_groups import stop_group
from shifty_pipelines.kernel.process_identity import ProcessIdentity

JOB_EXTRA = "job"
STOP_GRACE_S = 5.0
#: How often the reader's messages are looked at.
POLL_S = 0.2
#: How long after the trainer's end the reader may need for its last words.
LAST_WORDS_S = 5.0
LAST_WORDS = frozenset({"result", "refusal", "stopped", "crash"})


class PipesTrainer:
    """See `training.ports.Trainer`.

    Args:
        context: the asset that trains.
        environment: the trainer's environment beside Pipes' own parameters; no credential is in it.
    """

    def __init__(self, context: dg.AssetExecutionContext, environment: Mapping[str, str]) -> None:
        self._context = context
        self._environment = dict(environment)

    @contextmanager
    def start(self, job: Mapping[str, Any], *, run_directory: Path) -> "Iterator[PipesRun]":
        """See `Trainer.start`."""
        with (
            dg.open_pipes_session(
                context=self._context,
                context_injector=dg.PipesFileContextInjector(str(run_directory / "pipes-context.json")),
                message_reader=dg.PipesFileMessageReader(str(run_directory / "pipes-messages.jsonl")),
                extras={JOB_EXTRA: {**job, "parentPid": os.getpid()}},
            ) as session,
            (run_directory / "trainer.stderr").open("wb") as errors,
        ):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "shifty_trainer"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=run_directory,
                env={
                    **self._environment,
                    "HOME": str(run_directory),
                    "TMPDIR": str(run_directory),
                    **session.get_bootstrap_env_vars(),
                },
                start_new_session=True,
            )
            run = PipesRun(process, session)
            try:
                yield run
            finally:
                run.stop()


class PipesRun:
    """See `training.ports.RunningTrainer`."""

    def __init__(self, process: subprocess.Popen[bytes], session: dg.PipesSession) -> None:
        self._process = process
        self._session = session
        self._identity = ProcessIdentity.of(process.pid)

    @property
    def identity(self) -> ProcessIdentity | None:
        """See `RunningTrainer.identity`."""
        return self._identity

    def messages(self, *, beat_s: float) -> Iterator[Mapping[str, Any] | None]:
        """See `RunningTrainer.messages`."""
        seen = 0
        heard_at_s = time.monotonic()
        ended_at_s: float | None = None
        while True:
            arrived = self._session.message_handler.get_custom_messages()[seen:]
            for message in arrived:
                yield message
                if message["kind"] in LAST_WORDS:
                    return
            seen += len(arrived)
            now_s = time.monotonic()
            if arrived:
                heard_at_s = now_s
            elif now_s - heard_at_s > beat_s:
                yield None
                heard_at_s = now_s
            if ended_at_s is None and self._process.poll() is not None:
                ended_at_s = now_s
            if ended_at_s is not None and now_s - ended_at_s > LAST_WORDS_S:
                return
            self._wait()

    def stop(self) -> None:
        """See `RunningTrainer.stop`."""
        stop_group(self._process, grace_s=STOP_GRACE_S)

    def exit_code(self) -> int:
        """See `RunningTrainer.exit_code`."""
        return self._process.wait()

    def _wait(self) -> None:
        """Until the next look: sooner if the trainer ends first."""
        if self._process.poll() is not None:
            time.sleep(POLL_S)  # the reader has a file to finish, and nothing tells when
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(POLL_S)
