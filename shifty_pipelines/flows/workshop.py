"""What the model flows need of the platform: units of work that open and close while a model runs for minutes."""

from contextlib import AbstractContextManager
from typing import Protocol

from shifty_pipelines.contexts.inference.service import InferenceService
from shifty_pipelines.flows.training_data import DatasetSource
from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.run_directories import RunDirectories
from shifty_pipelines.kernel.tenant import Actor
from shifty_pipelines.kernel.work_queue import WorkQueue
from shifty_pipelines.services import Services


class Workshop(Protocol):
    """Where models are made, measured and asked."""

    @property
    def runs(self) -> RunDirectories:
        """Private directories for decrypted data."""
        ...

    @property
    def datasets(self) -> DatasetSource:
        """Where training data comes from."""
        ...

    @property
    def inference(self) -> InferenceService:
        """Asks model versions."""
        ...

    @property
    def training_queue(self) -> WorkQueue:
        """Ids of training jobs that wait for a run."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...
