"""The outcome of a job: what was trained, what it is worth, which candidate is to be registered."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shifty_trainer.candidates import Candidate
from shifty_trainer.evaluation import Evaluation
from shifty_trainer.job import ModelKind
from shifty_trainer.rows import TEST, Rows
from shifty_trainer.whole_directory import Manifest, canonical_json, write_whole

RESULT_NAME = "result.json"
PREDICTIONS_NAME = "predictions.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCandidate:
    """A candidate and the directory it was exported to."""

    candidate: Candidate
    path: Path
    manifest: Manifest

    def as_message(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "path": str(self.path),
            "manifestSha256": self.manifest.sha256,
            "files": dict(self.manifest.files),
            "validation": self.candidate.validation.as_message(),
            "test": self.candidate.test.as_message(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything a registry needs. `training` and `recipe` are empty where only a frozen head was fitted."""

    registered: ModelKind
    candidates: Mapping[ModelKind, ExportedCandidate]
    baselines: Mapping[str, Evaluation | None]
    rows: Mapping[str, int]
    training: Mapping[str, Any]
    recipe: Mapping[str, Any]
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    duration_s: Mapping[str, float] = field(default_factory=dict)

    def as_message(self) -> dict[str, Any]:
        """The wire form; also `result.json`."""
        return {
            "registered": self.registered.value,
            "choice": self._choice(),
            "candidates": {kind.value: exported.as_message() for kind, exported in self.candidates.items()},
            "baselines": {
                name: None if evaluation is None else evaluation.as_message()
                for name, evaluation in self.baselines.items()
            },
            "rows": dict(self.rows),
            "training": dict(self.training),
            "recipe": dict(self.recipe),
            "provenance": dict(self.provenance),
            "warnings": list(self.warnings),
            "durationS": dict(self.duration_s),
        }

    def _choice(self) -> dict[str, Any]:
        """Why this candidate: the validation figures the choice was made on."""
        return {
            "by": "validation macro F1, then log loss",
            **{
                kind.value: {
                    "macroF1": exported.candidate.validation.macro_f1,
                    "logLoss": exported.candidate.validation.log_loss,
                }
                for kind, exported in self.candidates.items()
            },
        }


def predictions_table(rows: Rows, probabilities: Mapping[str, np.ndarray]) -> pa.Table:
    """Test predictions row by row, for paired comparisons: model, row_id, truth, probabilities (in order of labels).

    Args:
        rows: the job's rows.
        probabilities: by model name, float ``(test rows, labels)``.
    """
    test = rows.positions(TEST)
    return pa.table(
        {
            "model": [name for name in probabilities for _ in test],
            "row_id": [rows.row_ids[position] for _ in probabilities for position in test],
            "truth": [rows.labels[rows.label_ids[position]] for _ in probabilities for position in test],
            "probabilities": [row.tolist() for table in probabilities.values() for row in table],
        }
    ).replace_schema_metadata({"labels": canonical_json(list(rows.labels))})


def write_report(directory: Path, result: Result, predictions: pa.Table) -> Manifest:
    """`result.json` and `predictions.parquet` as one whole directory.

    Raises:
        NoSpaceLeft: nothing of it is left behind.
    """
    buffer = io.BytesIO()
    pq.write_table(predictions, buffer)
    files = {RESULT_NAME: canonical_json(result.as_message()), PREDICTIONS_NAME: buffer.getvalue()}
    return write_whole(directory, files, {"registered": result.registered.value})
