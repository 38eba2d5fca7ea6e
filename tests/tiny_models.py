"""Datasets without curation and models without training: what tests of other things need of both."""

import functools
import io
import tarfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from shifty_pipelines.flows.training_data import DatasetVersion
from shifty_pipelines.kernel.directory_archive import pack_directory
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.services import Services
from tests.trainer.conftest import LABELS


@dataclass
class Tables:
    """Datasets as data frames, by tenant: what curation writes, without curation."""

    versions: dict[uuid.UUID, tuple[uuid.UUID, DatasetVersion, pd.DataFrame]] = field(default_factory=dict)
    newest: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)

    def add(
        self,
        tenant_id: uuid.UUID,
        rows: pd.DataFrame,
        *,
        dataset_id: uuid.UUID | None = None,
        labels: Sequence[str] = tuple(LABELS),
        status: str = "current",
    ) -> uuid.UUID:
        dataset_id, version_id = dataset_id or uuid.uuid4(), uuid.uuid4()
        version = DatasetVersion(
            id=version_id,
            dataset_id=dataset_id,
            mission_type="classify_error",
            labels=tuple(labels),
            status=status,
        )
        self.versions[version_id] = (tenant_id, version, rows)
        self.newest[dataset_id] = version_id
        return dataset_id

    def current(self, services: Services, dataset_id: uuid.UUID) -> DatasetVersion | None:
        if dataset_id not in self.newest:
            raise NotFound("Dataset")
        return self.version(services, self.newest[dataset_id])

    def version(self, services: Services, version_id: uuid.UUID) -> DatasetVersion:
        owner, version, _ = self.versions.get(version_id, (None, None, None))
        if version is None or owner != services.work.tenant_id:
            raise NotFound("Dataset")
        return version

    def copy(self, services: Services, version_id: uuid.UUID, directory: Path) -> Path:
        self.version(services, version_id)
        path = directory / "dataset.parquet"
        self.versions[version_id][2].to_parquet(path)
        return path


@functools.cache
def packed_head(base: Path, favourite: str, scratch: Path) -> bytes:
    """A frozen head on `base` that answers `favourite` to everything, as it lies in the store."""
    from shifty_trainer.encoder import base_model_sha256
    from shifty_trainer.heads import LinearHead
    from shifty_trainer.job import ModelKind
    from shifty_trainer.model_version import ModelVersion, save_model_version

    bias = np.array([4.0 if label == favourite else 0.0 for label in LABELS], dtype=np.float32)
    head = LinearHead(labels=tuple(LABELS), weights=np.zeros((len(LABELS), 32), dtype=np.float32), bias=bias, c=1.0)
    version = ModelVersion(
        kind=ModelKind.FROZEN_HEAD,
        labels=tuple(LABELS),
        base_id="tiny",
        base_sha256=base_model_sha256(base, expected=None),
        head_tokens=16,
        adapted_layers=3,
        head=head,
    )
    directory = scratch / favourite / "frozen_head"
    save_model_version(directory, version, {})
    archive = scratch / f"{favourite}.tar"
    pack_directory(directory, archive)
    return archive.read_bytes()


def packed_nothing() -> bytes:
    """An archive of one empty file, for versions that are never asked."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("frozen_head/model.json"))
    return buffer.getvalue()
