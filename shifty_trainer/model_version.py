"""A model version as a directory of data: JSON and safetensors under one manifest, adapter and frozen head alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shifty_trainer import heads
from shifty_trainer.heads import LinearHead, head_from_files
from shifty_trainer.job import ModelKind
from shifty_trainer.refusals import ModelVersionBroken
from shifty_trainer.whole_directory import Manifest, NotWhole, canonical_json, read_whole, write_whole

DESCRIPTION_NAME = "model.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """What prediction needs beside the adapter's tensors. Two versions of equal content have equal files."""

    kind: ModelKind
    labels: tuple[str, ...]
    base_id: str
    base_sha256: str
    head_tokens: int
    adapted_layers: int
    head: LinearHead

    def description(self) -> dict[str, Any]:
        """`model.json`."""
        return {
            "formatVersion": FORMAT_VERSION,
            "kind": self.kind.value,
            "labels": list(self.labels),
            "base": {"id": self.base_id, "sha256": self.base_sha256},
            "headTokens": self.head_tokens,
            "adaptedLayers": self.adapted_layers,
            "pooling": "mean over tokens, length one",
        }


def save_model_version(directory: Path, version: ModelVersion, adapter_files: Mapping[str, bytes]) -> Manifest:
    """Write the version whole.

    Raises:
        NoSpaceLeft: nothing of it is left behind.
    """
    files = {DESCRIPTION_NAME: canonical_json(version.description()), **version.head.files(), **adapter_files}
    return write_whole(directory, files, {"kind": version.kind.value, "formatVersion": FORMAT_VERSION})


def load_model_version(directory: Path) -> ModelVersion:
    """The version of `directory`, every file verified.

    Raises:
        ModelVersionBroken: a file is missing, differs from the manifest, or is of an unknown format.
    """
    try:
        read_whole(directory)
        description = json.loads((directory / DESCRIPTION_NAME).read_bytes())
        if description["formatVersion"] != FORMAT_VERSION:
            raise ModelVersionBroken(directory, f"its format version is {description['formatVersion']}")
        return ModelVersion(
            kind=ModelKind(description["kind"]),
            labels=tuple(description["labels"]),
            base_id=description["base"]["id"],
            base_sha256=description["base"]["sha256"],
            head_tokens=description["headTokens"],
            adapted_layers=description["adaptedLayers"],
            head=head_from_files(
                (directory / heads.WEIGHTS_NAME).read_bytes(), (directory / heads.CONFIG_NAME).read_bytes()
            ),
        )
    except (NotWhole, OSError, ValueError, KeyError) as error:
        raise ModelVersionBroken(directory, str(error)) from error
