"""Every way this program declines, each with an exit code, a stable code and a remedy.

A refusal names hyperparameters, labels, row ids, columns and paths, never a text: its message ends in logs that have
neither tenant isolation nor erasure.
"""

from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

SHOWN_CHARS = 80


class ExitCode(IntEnum):
    """What the process answers its launcher."""

    DONE = 0
    CRASHED = 1  # a bug: reported as a stack without values
    JOB_REFUSED = 2
    DATA_REFUSED = 3
    MODEL_REFUSED = 4
    DIVERGED = 5
    NO_SPACE = 6
    ORPHANED = 7  # the launcher was gone before the work began
    STOPPED = 75  # EX_TEMPFAIL of sysexits.h: stopped on request, checkpoint saved, start again to go on


class TrainerRefusal(Exception):
    """A refusal: what happened, with which value, and what to do about it. Subclasses build their own message."""

    code: ClassVar[str] = "trainer.refused"
    exit_code: ClassVar[ExitCode] = ExitCode.JOB_REFUSED

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details


class JobInvalid(TrainerRefusal):
    """A field of the job is missing, unknown or malformed."""

    code = "trainer.job_invalid"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"job field {field} is {_shown(value)}; give {expected}", field=field)


class HyperparameterInvalid(TrainerRefusal):
    """A hyperparameter is unknown, of the wrong type or out of range."""

    code = "trainer.hyperparameter_invalid"

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(
            f"hyperparameter {name} is {_shown(value)}; give {expected}, or leave it out for the measured recipe",
            hyperparameter=name,
        )


class DatasetUnreadable(TrainerRefusal):
    """There is no Parquet file of the expected columns at the path."""

    code = "trainer.dataset_unreadable"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"dataset {path.name} {reason}; write it again as Parquet with row_id, text, label, split")


class SplitEmpty(TrainerRefusal):
    """A split has no rows."""

    code = "trainer.split_empty"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, split: str, other_counts: dict[str, int]) -> None:
        counts = ", ".join(f"{name} {count}" for name, count in other_counts.items()) or "none at all"
        super().__init__(
            f"split {split} has no rows (rows: {counts}); train, validation and test each need some, "
            "so collect more labels or materialise the dataset again",
            split=split,
        )


class OneClassOnly(TrainerRefusal):
    """The training rows all carry one label, from which nothing can be told apart."""

    code = "trainer.one_class"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, label: str, row_count: int) -> None:
        super().__init__(
            f"all {row_count} training rows carry the label {label!r}; a classifier needs at least two labels, "
            "so collect answers of another label first",
            label=label,
        )


class CellMissing(TrainerRefusal):
    """A cell is null or NaN."""

    code = "trainer.cell_missing"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, row: str, column: str) -> None:
        super().__init__(f"row {row} has no value (null or NaN) in column {column}; drop or complete the row")
        self.details = {"row": row, "column": column}


class CellInvalid(TrainerRefusal):
    """A cell holds a value outside its domain; the value itself is not repeated unless it is a label."""

    code = "trainer.cell_invalid"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, row: str, column: str, problem: str) -> None:
        super().__init__(f"row {row}, column {column}: {problem}")
        self.details = {"row": row, "column": column}


class TextsBlank(TrainerRefusal):
    """Not one training text holds a visible character."""

    code = "trainer.texts_blank"
    exit_code = ExitCode.DATA_REFUSED

    def __init__(self, row_count: int) -> None:
        super().__init__(f"all {row_count} training texts are blank; check the column the dataset took its text from")


class BaseModelMissing(TrainerRefusal):
    """The base model is not where the job says, or not complete there."""

    code = "trainer.base_model_missing"
    exit_code = ExitCode.MODEL_REFUSED

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"base model {path} {reason}; nothing is downloaded here: name a local directory that holds config.json, "
            "tokenizer files and *.safetensors weights"
        )


class BaseModelUnsupported(TrainerRefusal):
    """The base model's architecture is not one whose layers this program knows how to split and adapt."""

    code = "trainer.base_model_unsupported"
    exit_code = ExitCode.MODEL_REFUSED

    def __init__(self, model_type: str, known: tuple[str, ...]) -> None:
        super().__init__(f"base model type {model_type!r} cannot be adapted here; use one of {', '.join(known)}")


class BaseModelBroken(TrainerRefusal):
    """The base model loads but computes NaN or infinity."""

    code = "trainer.base_model_broken"
    exit_code = ExitCode.MODEL_REFUSED

    def __init__(self, path: Path, row_count: int) -> None:
        super().__init__(
            f"base model {path} computes embeddings that are not finite for {row_count} rows; its weights are damaged, "
            "so fetch them again"
        )


class BaseModelChanged(TrainerRefusal):
    """The base model's files are not the ones the job or the model version names."""

    code = "trainer.base_model_changed"
    exit_code = ExitCode.MODEL_REFUSED

    def __init__(self, path: Path, *, expected_sha256: str, actual_sha256: str) -> None:
        super().__init__(
            f"base model {path} has digest {actual_sha256[:12]}…, expected {expected_sha256[:12]}…; "
            "restore the files it was pinned to, or train a new version on the present ones"
        )


class ModelVersionBroken(TrainerRefusal):
    """An exported model version is incomplete or its files do not match its manifest."""

    code = "trainer.model_version_broken"
    exit_code = ExitCode.MODEL_REFUSED

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"model version {directory} is not whole: {reason}; fetch it from the store again")


class LossNotFinite(TrainerRefusal):
    """The loss or its gradient became NaN or infinite; going on would write nonsense."""

    code = "trainer.loss_not_finite"
    exit_code = ExitCode.DIVERGED

    def __init__(self, *, step: int, what: str, value: float, learning_rate: float) -> None:
        super().__init__(
            f"{what} is {value} at step {step} with learning rate {learning_rate:g}; nothing of this step is kept. "
            "Lower learningRate or raise warmupSteps (the measured recipe uses 0.001 with 10 % warm-up)",
            step=step,
        )


class NoSpaceLeft(TrainerRefusal):
    """The disk is full; what was being written is removed, what was written before is whole."""

    code = "trainer.no_space_left"
    exit_code = ExitCode.NO_SPACE

    def __init__(self, path: Path, *, needed_bytes: int | None, free_bytes: int | None) -> None:
        needed = "" if needed_bytes is None else f" for {needed_bytes} bytes"
        free = "" if free_bytes is None else f" ({free_bytes} bytes free)"
        super().__init__(
            f"no space left{needed} at {path}{free}; the unfinished files are removed and earlier ones untouched. "
            "Free space, then start the job again: it resumes from its newest whole checkpoint"
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."
