"""The trainer as a subprocess of this machine, without Dagster: its messages come line by line over a pipe.

Start it from the main thread: the trainer asks the kernel to die with its parent, and the kernel takes the end of the
launching thread for that.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from shifty_pipelines.kernel.process_groups import stop_group
from shifty_pipelines.kernel.process_identity import ProcessIdentity

#: Between being asked to stop, when it saves its state, and being killed.
STOP_GRACE_S = 5.0


class LocalTrainer:
    """See `Trainer`.

    Args:
        environment: the trainer's whole environment; no credential is in it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    @contextmanager
    def start(self, job: Mapping[str, Any], *, run_directory: Path) -> "Iterator[LocalRun]":
        """See `Trainer.start`."""
        job_file = run_directory / "job.json"
        job_file.write_text(json.dumps({**job, "parentPid": os.getpid()}), encoding="utf-8")
        with (run_directory / "trainer.stderr").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "shifty_trainer", "--job", str(job_file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=run_directory,
                # Temporary files and caches of libraries hold texts: they stay in the run's directory.
                env={**self._environment, "HOME": str(run_directory), "TMPDIR": str(run_directory)},
                start_new_session=True,
            )
        run = LocalRun(process)
        try:
            yield run
        finally:
            run.stop()


class LocalRun:
    """See `RunningTrainer`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        assert process.stdout is not None  # noqa: S101  # started with a pipe
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()
        self._identity = ProcessIdentity.of(process.pid)

    @property
    def identity(self) -> ProcessIdentity | None:
        """See `RunningTrainer.identity`."""
        return self._identity

    def messages(self, *, beat_s: float) -> Iterator[Mapping[str, Any] | None]:
        """See `RunningTrainer.messages`."""
        while True:
            try:
                line = self._lines.get(timeout=beat_s)
            except queue.Empty:
                yield None
                continue
            if line is None:
                return
            with suppress(ValueError):  # a library's print is no message
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message

    def stop(self) -> None:
        """See `RunningTrainer.stop`."""
        stop_group(self._process, grace_s=STOP_GRACE_S)
        self._reader.join(STOP_GRACE_S)
        assert self._process.stdout is not None  # noqa: S101  # started with a pipe
        self._process.stdout.close()

    def exit_code(self) -> int:
        """See `RunningTrainer.exit_code`."""
        return self._process.wait()

    def _read(self, stream: IO[bytes]) -> None:
        try:
            for line in stream:
                self._lines.put(line)
        except ValueError:
            pass  # closed under us by `stop`
        self._lines.put(None)
