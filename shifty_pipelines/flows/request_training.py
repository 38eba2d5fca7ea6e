"""Requesting a training: the dataset's current version and the base model are fixed now, the work is queued."""

import uuid
from collections.abc import Mapping
from typing import Any

from shifty_pipelines.contexts.training.domain.jobs import JobKind, NewJob
from shifty_pipelines.contexts.training.errors import DatasetEmpty
from shifty_pipelines.contexts.training.models import TrainingJob
from shifty_pipelines.flows.training_data import DatasetSource
from shifty_pipelines.services import Services


def request_training(
    services: Services,
    datasets: DatasetSource,
    dataset_id: uuid.UUID,
    *,
    base_model_id: uuid.UUID | None = None,
    kind: JobKind = JobKind.ADAPTER,
    config: Mapping[str, Any] | None = None,
) -> TrainingJob:
    """Queue a training on a dataset's current version; without a base model on the packaged one.

    Raises:
        NotFound: no such dataset or model in this tenant.
        DatasetEmpty: the dataset was never materialised.
        NotABase: the model is a trained line.
        HyperparameterUnknown, HyperparameterOutOfRange: see `checked_hyperparameters`.
    """
    data = datasets.current(services, dataset_id)
    if data is None:
        raise DatasetEmpty(dataset_id)
    base = services.registry.base(base_model_id)
    return services.training.request(
        NewJob(
            base_model_id=base.id,
            dataset_id=dataset_id,
            dataset_version_id=data.id,
            kind=kind,
            config=config or {},
        )
    )
