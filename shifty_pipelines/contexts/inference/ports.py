"""What inference needs of the outside world: something that runs model versions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from shifty_pipelines.contexts.inference.domain import Answers, ServableVersion

#: Puts a version's decrypted files into the given private directory; where they lie.
FetchFiles = Callable[[Path], Path]


class Predictor(Protocol):
    """Runs model versions; loads one when it is asked for the first time."""

    def probabilities(self, version: ServableVersion, texts: Sequence[str], *, fetch: FetchFiles) -> Answers:
        """How probable each label is for each text.

        Raises:
            VersionUnservable: its files are broken, or its base is missing or another.
            PredictorUnavailable: nothing answers.
        """
        ...

    def forget(self, key: str) -> None:
        """Unload a version; harmless when it is not loaded."""
        ...

    def close(self) -> None:
        """End what runs; it starts again when it is asked."""
        ...
