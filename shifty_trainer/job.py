"""What to train: the job as typed data, parsed once at the edge, every refusal naming field, value and remedy.

The wire form is camelCase JSON with the names of the platform's API; `TrainingJob` says what each field means.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from shifty_trainer.refusals import HyperparameterInvalid, JobInvalid

FEWEST_LABELS = 2
Choice = TypeVar("Choice", bound=StrEnum)

DEFAULT_SEED = 20260101  # fixed before any measurement; a job may name another


class ModelKind(StrEnum):
    """What is trained: adapter and frozen head compared, or the frozen head alone."""

    ADAPTER = "adapter"
    FROZEN_HEAD = "frozen_head"


class Device(StrEnum):
    """Where the arithmetic runs; `auto` takes a CUDA device when torch sees one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """What the caller insists on; `None` means the measured recipe decides (`recipe.py`)."""

    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    warmup_steps: int | None = None
    gradient_accumulation_steps: int | None = None
    lora_rank: int | None = None
    lora_alpha: int | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One hyperparameter's wire name, field, type and closed range."""

    name: str
    field: str
    is_whole: bool
    minimum: float
    maximum: float

    @property
    def expected(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.is_whole else "a number"
        if math.isinf(self.maximum):
            return f"{kind} of at least {self.minimum:g}"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


BOUNDS: tuple[Bound, ...] = (
    Bound("learningRate", "learning_rate", is_whole=False, minimum=1e-7, maximum=0.1),
    Bound("batchSize", "batch_size", is_whole=True, minimum=1, maximum=128),
    Bound("epochs", "epochs", is_whole=True, minimum=1, maximum=100),
    Bound("warmupSteps", "warmup_steps", is_whole=True, minimum=0, maximum=math.inf),
    Bound("gradientAccumulationSteps", "gradient_accumulation_steps", is_whole=True, minimum=1, maximum=32),
    Bound("loraRank", "lora_rank", is_whole=True, minimum=4, maximum=128),
    Bound("loraAlpha", "lora_alpha", is_whole=True, minimum=8, maximum=256),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One attempt at training one model version.

    `run_dir` belongs to this attempt alone and is removed by the launcher on every exit path; everything that holds
    text (dataset, caches) stays inside it. `job_id`, `attempt` and `fencing_token` are echoed in every message.
    """

    job_id: str
    run_dir: Path
    labels: tuple[str, ...]
    base_model: Path
    base_id: str
    base_sha256: str | None = None
    kind: ModelKind = ModelKind.ADAPTER
    hyperparameters: Hyperparameters = Hyperparameters()
    dataset: str = "dataset.parquet"
    output_dir: Path
    checkpoints_dir: Path
    seed: int = DEFAULT_SEED
    threads: int | None = None
    device: Device = Device.AUTO
    checkpoint_every_steps: int = 20
    keep_checkpoints: int = 3
    attempt: int = 1
    fencing_token: int | None = None
    parent_pid: int | None = None

    @property
    def dataset_path(self) -> Path:
        """The Parquet file, inside the run directory."""
        return self.run_dir / self.dataset

    @property
    def cache_dir(self) -> Path:
        """Where `datasets` may keep its plaintext Arrow copies: inside the run directory, gone with it."""
        return self.run_dir / "datasets-cache"


FIELDS = frozenset(
    {
        *("jobId", "attempt", "fencingToken", "parentPid"),
        *("runDir", "dataset", "outputDir", "checkpointsDir", "checkpointEverySteps", "keepCheckpoints"),
        *("kind", "labels", "baseModel", "hyperparameters", "seed", "threads", "device"),
    }
)


def read_job(path: Path) -> Mapping[str, Any]:
    """The raw job of a JSON file.

    Raises:
        JobInvalid: no such file, or not a JSON object.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobInvalid("(file)", str(path), f"a readable JSON file ({type(error).__name__})") from error
    if not isinstance(raw, dict):
        raise JobInvalid("(file)", str(path), "a JSON object")
    return raw


def parse_job(raw: Mapping[str, Any]) -> TrainingJob:
    """The typed job of its wire form.

    Raises:
        JobInvalid: a field is missing, unknown or malformed.
        HyperparameterInvalid: one is unknown, mistyped or out of range.
    """
    for name in raw.keys() - FIELDS:
        raise JobInvalid(name, raw[name], f"only known fields: {', '.join(sorted(FIELDS))}")
    run_dir = Path(_text(raw, "runDir"))
    base_model, base_id, base_sha256 = _base_model(raw)
    return TrainingJob(
        job_id=_text(raw, "jobId"),
        attempt=_whole(raw, "attempt", default=1, minimum=1),
        fencing_token=_optional_whole(raw, "fencingToken", minimum=0),
        run_dir=run_dir,
        dataset=_file_name(raw),
        output_dir=Path(_text(raw, "outputDir", default=str(run_dir / "output"))),
        checkpoints_dir=Path(_text(raw, "checkpointsDir", default=str(run_dir / "checkpoints"))),
        labels=_labels(raw),
        kind=_choice(raw, "kind", ModelKind, ModelKind.ADAPTER),
        base_model=base_model,
        base_id=base_id,
        base_sha256=base_sha256,
        hyperparameters=parse_hyperparameters(raw.get("hyperparameters") or {}),
        seed=_whole(raw, "seed", default=DEFAULT_SEED, minimum=0),
        threads=_optional_whole(raw, "threads", minimum=1),
        device=_choice(raw, "device", Device, Device.AUTO),
        checkpoint_every_steps=_whole(raw, "checkpointEverySteps", default=20, minimum=1),
        keep_checkpoints=_whole(raw, "keepCheckpoints", default=3, minimum=1),
        parent_pid=_optional_whole(raw, "parentPid", minimum=1),
    )


def parse_hyperparameters(raw: object) -> Hyperparameters:
    """Those the caller gave, checked against `BOUNDS`; a null counts as absent.

    Raises:
        HyperparameterInvalid: one is unknown, mistyped or out of range.
    """
    if not isinstance(raw, Mapping):
        raise JobInvalid("hyperparameters", raw, "an object of numbers by name")
    by_name = {bound.name: bound for bound in BOUNDS}
    for name in raw.keys() - by_name.keys():
        raise HyperparameterInvalid(name, raw[name], f"only known ones ({', '.join(sorted(by_name))})")
    given = {name: value for name, value in raw.items() if value is not None}
    checked: dict[str, Any] = {by_name[name].field: _in_range(by_name[name], value) for name, value in given.items()}
    return Hyperparameters(**checked)


def hyperparameters_wire_form(given: Hyperparameters) -> dict[str, float]:
    """The inverse of `parse_hyperparameters`, absent ones left out."""
    values = {field.name: getattr(given, field.name) for field in fields(given)}
    return {bound.name: values[bound.field] for bound in BOUNDS if values[bound.field] is not None}


def _in_range(bound: Bound, value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not bound.minimum <= value <= bound.maximum:  # type: ignore[arg-type,operator] # is_number says so
        raise HyperparameterInvalid(bound.name, value, bound.expected)
    if bound.is_whole:
        if int(value) != value:  # type: ignore[call-overload] # is_number says so
            raise HyperparameterInvalid(bound.name, value, bound.expected)
        return int(value)  # type: ignore[call-overload,no-any-return] # is_number says so
    return float(value)  # type: ignore[arg-type] # is_number says so


def _text(raw: Mapping[str, Any], field: str, *, default: str | None = None) -> str:
    value = raw.get(field, default)
    if not isinstance(value, str) or not value.strip():
        raise JobInvalid(field, value, "a non-empty string")
    return value


def _file_name(raw: Mapping[str, Any]) -> str:
    name = _text(raw, "dataset", default="dataset.parquet")
    if Path(name).name != name or name in {".", ".."}:
        raise JobInvalid("dataset", name, "the name of a file inside runDir, without a directory")
    return name


def _optional_whole(raw: Mapping[str, Any], field: str, *, minimum: int) -> int | None:
    return None if raw.get(field) is None else _whole(raw, field, default=minimum, minimum=minimum)


def _whole(raw: Mapping[str, Any], field: str, *, default: int, minimum: int) -> int:
    value = raw.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise JobInvalid(field, value, f"a whole number of at least {minimum}")
    return value


def _labels(raw: Mapping[str, Any]) -> tuple[str, ...]:
    labels = raw.get("labels")
    well_formed = isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)
    if not well_formed or len(set(labels)) != len(labels) or len(labels) < FEWEST_LABELS:  # type: ignore[arg-type] # well_formed says so
        raise JobInvalid("labels", labels, "a list of at least two different non-empty strings")
    return tuple(labels)  # type: ignore[arg-type] # well_formed says so


def _base_model(raw: Mapping[str, Any]) -> tuple[Path, str, str | None]:
    base = raw.get("baseModel")
    if not isinstance(base, Mapping) or base.keys() - {"path", "id", "sha256"}:
        raise JobInvalid("baseModel", base, "an object with path, and id and sha256 if known")
    path = Path(_text(base, "path"))
    sha256 = base.get("sha256")
    if sha256 is not None and not isinstance(sha256, str):
        raise JobInvalid("baseModel.sha256", sha256, "the hexadecimal digest, or leave it out")
    return path, _text(base, "id", default=path.name), sha256


def _choice(raw: Mapping[str, Any], field: str, choices: type[Choice], default: Choice) -> Choice:
    value = raw.get(field, default)
    try:
        return choices(value)
    except ValueError as error:
        raise JobInvalid(field, value, f"one of {', '.join(choices)}") from error
