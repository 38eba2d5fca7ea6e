"""The ranges of hyperparameters. Absent ones mean the measured recipe, which the trainer knows. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shifty_pipelines.contexts.training.errors import HyperparameterOutOfRange, HyperparameterUnknown


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range of numbers; `is_whole` admits integers only."""

    minimum: float
    maximum: float
    is_whole: bool

    @property
    def expected(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.is_whole else "a number"
        if math.isinf(self.maximum):
            return f"{kind} of at least {self.minimum:g}"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"

    def holds(self, value: object) -> bool:
        """Whether a JSON value is a number of this range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, float) and not math.isfinite(value):  # an int of 400 digits is no float at all
            return False
        return self.minimum <= value <= self.maximum and (not self.is_whole or int(value) == value)


RANGES: Mapping[str, Range] = {
    "learningRate": Range(1e-7, 0.1, is_whole=False),
    "batchSize": Range(1, 128, is_whole=True),
    "epochs": Range(1, 100, is_whole=True),
    "warmupSteps": Range(0, math.inf, is_whole=True),
    "gradientAccumulationSteps": Range(1, 32, is_whole=True),
    "loraRank": Range(4, 128, is_whole=True),
    "loraAlpha": Range(8, 256, is_whole=True),
}


def checked_hyperparameters(given: Mapping[str, Any]) -> dict[str, float]:
    """The given hyperparameters, a null counting as absent.

    Raises:
        HyperparameterUnknown: none of that name.
        HyperparameterOutOfRange: not a number of its range.
    """
    checked: dict[str, float] = {}
    for name, value in given.items():
        if name not in RANGES:
            raise HyperparameterUnknown(name, tuple(RANGES))
        if value is None:
            continue
        if not RANGES[name].holds(value):
            raise HyperparameterOutOfRange(name, value, RANGES[name].expected)
        checked[name] = int(value) if RANGES[name].is_whole else float(value)
    return checked
