"""What training needs of the outside world: the trainer program, running somewhere."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from shifty_pipelines.kernel.process_identity import ProcessIdentity


class RunningTrainer(Protocol):
    """A trainer at work on one job."""

    @property
    def identity(self) -> ProcessIdentity | None:
        """Which process it is, where it is one of this machine."""
        ...

    def messages(self, *, beat_s: float) -> Iterator[Mapping[str, Any] | None]:
        """What it says, in order, until it ends; None whenever it has been silent for `beat_s` seconds."""
        ...

    def stop(self) -> None:
        """End it, at once; harmless when it has ended."""
        ...

    def exit_code(self) -> int:
        """How it ended; to be asked after the last message."""
        ...


class Trainer(Protocol):
    """Starts trainers. A local one must be started from the main thread: it dies with the thread that launched it."""

    def start(self, job: Mapping[str, Any], *, run_directory: Path) -> AbstractContextManager[RunningTrainer]:
        """Start the trainer on a job; leaving the block ends it.

        Args:
            job: the job in the trainer's wire form, without `parentPid`.
            run_directory: private to this attempt; whatever the trainer writes stays in it.
        """
        ...
