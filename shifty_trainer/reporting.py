"""What the trainer says while it works: one stream of small JSON messages, to Dagster or to a file.

Messages carry ids, counts, labels, hyperparameters and paths inside the run directory, never a text. Every one has
`schema`, `kind`, `jobId`, `attempt` and `fencingToken`; a receiver that has handed out a newer token ignores it.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from dagster_pipes import PipesContext

from shifty_trainer.job import TrainingJob

SCHEMA = "shifty.trainer/1"


class Kind(StrEnum):
    """The kinds of message; `RESULT`, `REFUSAL`, `STOPPED` and `CRASH` are last words, exactly one of them is sent."""

    LOG = "log"
    PROGRESS = "progress"
    CHECKPOINT = "checkpoint"
    RESULT = "result"
    REFUSAL = "refusal"
    STOPPED = "stopped"
    CRASH = "crash"


class Reporter(Protocol):
    """Takes messages, in order, each at once: what is sent before a kill has arrived."""

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Deliver one message; `body` is JSON of finite numbers."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class PipesReporter:
    """To Dagster: custom messages for the run worker, log messages also into the run's log."""

    def __init__(self, context: PipesContext, identity: Mapping[str, Any]) -> None:
        self._context = context
        self._identity = identity

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Deliver as a Pipes custom message."""
        self._context.report_custom_message(message(kind, self._identity, body))
        if kind is Kind.LOG:
            fields = " ".join(f"{name}={value}" for name, value in body["fields"].items())
            is_warning = body["level"] == "warning"
            (self._context.log.warning if is_warning else self._context.log.info)(f"{body['event']} {fields}".rstrip())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Never with the exception: Pipes would send its text, which a library may have filled with values.
        self._context.close()


class JsonLinesReporter:
    """To a file or terminal, one message a line, flushed; for use without Dagster."""

    def __init__(self, stream: TextIO, identity: Mapping[str, Any]) -> None:
        self._stream = stream
        self._identity = identity

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Deliver as one line."""
        line = json.dumps(message(kind, self._identity, body), allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.flush()


def identity_of(job: TrainingJob) -> dict[str, Any]:
    """What every message of this job carries."""
    return {"jobId": job.job_id, "attempt": job.attempt, "fencingToken": job.fencing_token}


def message(kind: Kind, identity: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The wire form."""
    return {"schema": SCHEMA, "kind": kind.value, **identity, **body}


def log(reporter: Reporter, event: str, *, level: str = "info", **fields: Any) -> None:
    """Send an event with its fields: `log(reporter, "trainer.resumed", step=40)`."""
    reporter.send(Kind.LOG, {"level": level, "event": event, "fields": fields})
