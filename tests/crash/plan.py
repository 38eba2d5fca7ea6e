"""Which process is killed in which phase, and why the other pairs are missing."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: The story's phases, in order.
PHASES: Sequence[str] = ("errors", "missions", "labels", "settlement", "curation", "training", "serving")

#: Process -> phases that it can coincide with.
COINCIDING: Mapping[str, Sequence[str]] = {
    # There is one only while a job trains.
    "trainer": ("training",),
    # There is one only while a Dagster run is worked on.
    "run worker": ("curation", "training"),
    # Runs are its children. It takes no part in errors and missions, and none in serving, which the sidecar does with
    # a predictor of its own. In labels and settlement its sensor may deliver the outbox, so one of the two suffices.
    "code server": ("labels", "curation", "training"),
    # The three that everything goes through.
    "postgres": PHASES,
    "supervisor": PHASES,
    "sidecar": PHASES,
}
#: These are not there from the phase's beginning: their moment counts from when they were started.
SHORT_LIVED = ("run worker", "trainer")
#: Later than this share of what the undisturbed story took, the phase might be over.
LATEST = 0.9


@dataclass(frozen=True, slots=True)
class Pair:
    """One kill."""

    process: str
    phase: str

    @property
    def name(self) -> str:
        return f"{self.process.replace(' ', '_')}-{self.phase}"

    def share(self, seed: int, attempt: int = 0) -> float:
        """The moment of the kill as a share of what the undisturbed story took; every attempt has its own."""
        return random.Random(f"{seed}:{self.name}:{attempt}").uniform(0.0, LATEST)


PAIRS: Sequence[Pair] = tuple(Pair(process, phase) for process, phases in COINCIDING.items() for phase in phases)
