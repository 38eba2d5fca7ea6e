"""Curation's datasets as training sees them: which version is current, and its rows as a decrypted file."""

import shutil
import uuid
from pathlib import Path

from shifty_pipelines.contexts.curation.models import DatasetVersion as StoredVersion
from shifty_pipelines.flows.training_data import DatasetVersion
from shifty_pipelines.services import Services

FILE_NAME = "dataset.parquet"


class CuratedDatasets:
    """See `training_data.DatasetSource`."""

    def current(self, services: Services, dataset_id: uuid.UUID, /) -> DatasetVersion | None:
        """See `DatasetSource.current`."""
        found = services.curation.current_version(dataset_id)
        return None if found is None else _as_training_data(services, found)

    def version(self, services: Services, version_id: uuid.UUID, /) -> DatasetVersion:
        """See `DatasetSource.version`."""
        return _as_training_data(services, services.curation.version(version_id))

    def copy(self, services: Services, version_id: uuid.UUID, directory: Path, /) -> Path:
        """See `DatasetSource.copy`."""
        found = services.curation.version(version_id)
        file = directory / FILE_NAME
        with services.lifecycle.open_asset(found.data_asset_id) as source, file.open("xb") as target:
            shutil.copyfileobj(source, target)
        return file


def _as_training_data(services: Services, version: StoredVersion) -> DatasetVersion:
    return DatasetVersion(
        id=version.id,
        dataset_id=version.dataset_id,
        mission_type=services.curation.dataset(version.dataset_id).mission_type,
        labels=tuple(version.labels),
        status=version.status,
    )
