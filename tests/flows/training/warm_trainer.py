"""The trainer program, forked off a process that has imported torch and its kin already.

Run as a module it reads the paths of job files; for each it forks a child that runs the trainer's own
`main` with its standard output in a FIFO beside the job file, prints the child's number, and then its exit code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shifty_pipelines.kernel.process_identity import ProcessIdentity


class WarmTrainer:
    """See `Trainer`."""

    def __init__(self) -> None:
        self._zygote: subprocess.Popen[str] | None = None

    def close(self) -> None:
        if self._zygote is not None:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            self._zygote.wait()
            assert self._zygote.stdout is not None
            self._zygote.stdout.close()

    @contextmanager
    def start(self, job: Mapping[str, Any], *, run_directory: Path) -> "Iterator[WarmRun]":
        zygote = self._running()
        job_file = run_directory / "job.json"
        job_file.write_text(json.dumps({**job, "parentPid": zygote.pid}))
        os.mkfifo(run_directory / "messages")
        assert zygote.stdin is not None
        zygote.stdin.write(f"{job_file}\n")
        zygote.stdin.flush()
        run = WarmRun(zygote, run_directory / "messages")
        try:
            yield run
        finally:
            run.stop()

    def _running(self) -> subprocess.Popen[str]:
        if self._zygote is None:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.flows.training.warm_trainer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(filter(None, sys.path))},
            )
        return self._zygote


class WarmRun:
    """See `RunningTrainer`."""

    def __init__(self, zygote: subprocess.Popen[str], fifo: Path) -> None:
        assert zygote.stdout is not None
        self._replies = zygote.stdout
        self._pid = int(self._replies.readline())
        self.identity = ProcessIdentity.of(self._pid)
        self._stream = fifo.open()
        self._code: int | None = None

    def messages(self, *, beat_s: float) -> Iterator[Mapping[str, Any] | None]:
        # Always busy enough that no beat is missed.
        _ = beat_s
        for line in self._stream:
            if line.startswith("{") and line.endswith("}\n"):
                yield json.loads(line)

    def stop(self) -> None:
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, 9)
            self.exit_code()
        self._stream.close()

    def exit_code(self) -> int:
        if self._code is None:
            self._code = int(self._replies.readline())
        return self._code


def _child(job_file: Path) -> None:
    from shifty_trainer.__main__ import main

    os.setsid()
    out = os.open(job_file.with_name("messages"), os.O_WRONLY)
    os.dup2(out, 1)
    os._exit(int(main(["--job", str(job_file)])))


def _serve() -> None:
    import shifty_trainer.run  # noqa: F401  # the imports that take so long

    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(Path(line.strip()))
        replies.write(f"{pid}\n")
        replies.flush()
        _, status = os.waitpid(pid, 0)
        replies.write(f"{os.waitstatus_to_exitcode(status)}\n")
        replies.flush()


if __name__ == "__main__":
    _serve()
