"""Predictions by a child process of this machine, so that the API never imports torch.

The child lives as long as its launcher: it reads requests from a pipe and ends with it. (Not by the parent-death
signal, which would fire when the pool thread that started it ends.)
"""

import json
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from shifty_pipelines.contexts.inference.domain import Answers, ServableVersion
from shifty_pipelines.contexts.inference.errors import PredictorUnavailable, VersionUnservable
from shifty_pipelines.contexts.inference.ports import FetchFiles
from shifty_pipelines.kernel.run_directories import RunDirectories

#: Imports of torch and its kin take 10 s on a slow machine, more on a busy one.
REPLY_TIMEOUT_S = 120.0
TEXTS_PER_REQUEST = 64


class _Dead(Exception):
    """The child is gone or silent."""


class LocalPredictor:
    """See `Predictor`; one child for all callers, one question at a time.

    Args:
        runs: where a version's files lie while it is being loaded.
        environment: the child's whole environment; no credential is in it.
    """

    def __init__(self, runs: RunDirectories, environment: Mapping[str, str]) -> None:
        self._runs = runs
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._loads = 0

    def probabilities(self, version: ServableVersion, texts: Sequence[str], *, fetch: FetchFiles) -> Answers:
        """See `Predictor.probabilities`."""
        with self._lock:
            try:
                return self._answers(version, texts, fetch)
            except _Dead:
                self._end()
            try:  # a child that was killed is replaced, once
                return self._answers(version, texts, fetch)
            except _Dead as dead:
                self._end()
                raise PredictorUnavailable(str(dead)) from dead

    def forget(self, key: str) -> None:
        """See `Predictor.forget`."""
        with self._lock:
            if self._child is not None:
                try:
                    self._ask({"forget": {"key": key}})
                except _Dead:
                    self._end()

    def close(self) -> None:
        """See `Predictor.close`."""
        with self._lock:
            self._end()

    @property
    def child_pid(self) -> int | None:
        """The child's number, while there is one."""
        return self._child.pid if self._child else None

    def _answers(self, version: ServableVersion, texts: Sequence[str], fetch: FetchFiles) -> Answers:
        rows: list[list[float]] = []
        labels: tuple[str, ...] = ()
        for start in range(0, max(len(texts), 1), TEXTS_PER_REQUEST):
            request = {"predict": {"key": version.key, "texts": list(texts[start : start + TEXTS_PER_REQUEST])}}
            reply = self._ask(request)
            if reply.get("code") == "serve.not_loaded":
                self._load(version, fetch)
                reply = self._ask(request)
            self._require_ok(reply)
            labels = tuple(reply["labels"])
            rows += reply["probabilities"]
        return Answers(labels=labels, probabilities=rows)

    def _load(self, version: ServableVersion, fetch: FetchFiles) -> None:
        self._loads += 1
        # The child keeps tensors in memory; the decrypted files are gone when it has read them.
        with self._runs.private(f"predictor-{id(self):x}-{self._loads}") as directory:
            files = fetch(directory)
            arguments = {"key": version.key, "directory": str(files), "baseModel": str(version.base_path)}
            self._require_ok(self._ask({"load": arguments}))

    def _require_ok(self, reply: Mapping[str, Any]) -> None:
        if not reply["ok"]:
            raise VersionUnservable(reply["code"], reply["message"])

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        child = self._running()
        assert child.stdin is not None  # noqa: S101  # started with pipes
        assert child.stdout is not None  # noqa: S101  # started with pipes
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            ready, _, _ = select.select([child.stdout], [], [], REPLY_TIMEOUT_S)
            line = child.stdout.readline() if ready else b""
        except OSError as error:
            raise _Dead("has ended") from error
        if not line:
            raise _Dead("has ended" if ready else f"was silent for {REPLY_TIMEOUT_S:.0f} s")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "shifty_trainer.serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a library's warning may quote a text
                env=self._environment,
                start_new_session=True,
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
