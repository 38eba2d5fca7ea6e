"""Words of inference: what is asked of a model version, and what it answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shifty_pipelines.contexts.inference.errors import InputsInvalid

MAX_INPUTS = 100
MAX_INPUT_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServableVersion:
    """A model version that can be loaded: a key that stands for its files for ever, and the base it needs."""

    key: str
    base_path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Probabilities ``[input][label]``, in order of `labels`."""

    labels: tuple[str, ...]
    probabilities: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer to one input: its most probable label, and how probable each is."""

    label: str
    confidence: float
    probabilities: Mapping[str, float]


def checked_inputs(inputs: Sequence[str]) -> Sequence[str]:
    """The inputs, if a model can be asked them.

    Raises:
        InputsInvalid: too few, too many, or one too long.
    """
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise InputsInvalid(f"{len(inputs)} inputs", f"1 to {MAX_INPUTS} at once")
    for number, text in enumerate(inputs):
        if len(text) > MAX_INPUT_CHARS:
            raise InputsInvalid(f"{len(text)} characters in input {number}", f"at most {MAX_INPUT_CHARS} in each")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise InputsInvalid(f"a lone surrogate in input {number}", "Unicode text")
    return inputs


def predictions_of(answers: Answers) -> list[Prediction]:
    """One prediction per input; of equal probabilities the first label."""
    return [
        Prediction(
            label=answers.labels[max(range(len(row)), key=row.__getitem__)],
            confidence=max(row),
            probabilities=dict(zip(answers.labels, row, strict=True)),
        )
        for row in answers.probabilities
    ]
