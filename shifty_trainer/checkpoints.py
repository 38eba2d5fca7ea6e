"""Checkpoints of one training: saved whole, found by their verified manifest, never by their number alone.

A checkpoint holds everything that decides the next step: adapter, best adapter so far, optimiser moments, generator
states and counters. Tensors are safetensors, the rest JSON; nothing is pickled.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from shifty_trainer.whole_directory import (
    Manifest,
    NotWhole,
    canonical_json,
    read_whole,
    remove_unfinished,
    write_whole,
)

TENSORS_NAME = "tensors.safetensors"
STATE_NAME = "state.json"
STEP_PREFIX = "step-"

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after optimiser step `step`."""

    step: int
    tensors: Tensors
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCheckpoint:
    """Where a checkpoint lies and what pins it."""

    step: int
    path: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A checkpoint that resume passed over, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a checkpoint must share with a job to be its past."""

    config_sha256: str
    dataset_sha256: str

    def facts(self) -> dict[str, str]:
        """As written into the manifest."""
        return {"configSha256": self.config_sha256, "datasetSha256": self.dataset_sha256}


class CheckpointDirectory:
    """`step-<n>` directories of one identity; the newest `keep` remain."""

    def __init__(self, path: Path, *, identity: Identity, keep: int) -> None:
        self.path = path
        self.identity = identity
        self.keep = keep
        path.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path)

    def save(self, checkpoint: Checkpoint) -> SavedCheckpoint:
        """Write a checkpoint whole, then delete the oldest beyond `keep`.

        Raises:
            NoSpaceLeft: earlier checkpoints are untouched.
        """
        files = {
            TENSORS_NAME: safetensors.torch.save(dict(checkpoint.tensors)),
            STATE_NAME: canonical_json(dict(checkpoint.state)),
        }
        final = self.path / f"{STEP_PREFIX}{checkpoint.step:08d}"
        manifest = write_whole(final, files, {"step": checkpoint.step, **self.identity.facts()})
        for old in self._newest_first()[self.keep :]:
            shutil.rmtree(old, ignore_errors=True)
        return SavedCheckpoint(step=checkpoint.step, path=final, manifest=manifest)

    def saved(self, step: int) -> SavedCheckpoint:
        """The checkpoint of this job at `step`.

        Raises:
            NotWhole: there is none that verifies.
        """
        path = self.path / f"{STEP_PREFIX}{step:08d}"
        return SavedCheckpoint(step=step, path=path, manifest=self._verified(path))

    def newest_whole(self) -> tuple[Checkpoint | None, list[Skipped]]:
        """The newest checkpoint that verifies and is this job's past, and those passed over on the way."""
        skipped: list[Skipped] = []
        for directory in self._newest_first():
            try:
                return self._load(directory), skipped
            except NotWhole as error:
                skipped.append(Skipped(name=directory.name, reason=str(error)))
        return None, skipped

    def _newest_first(self) -> list[Path]:
        return sorted(self.path.glob(f"{STEP_PREFIX}*"), reverse=True)

    def _load(self, directory: Path) -> Checkpoint:
        manifest = self._verified(directory)
        try:
            tensors = safetensors.torch.load_file(directory / TENSORS_NAME)
            state = json.loads((directory / STATE_NAME).read_bytes())
            return Checkpoint(step=manifest.facts["step"], tensors=tensors, state=state)
        except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
            raise NotWhole(f"its files cannot be read ({type(error).__name__})") from error

    def _verified(self, directory: Path) -> Manifest:
        manifest = read_whole(directory)
        for name, expected in self.identity.facts().items():
            if manifest.facts.get(name) != expected:
                raise NotWhole(f"its {name} is that of another job")
        return manifest
