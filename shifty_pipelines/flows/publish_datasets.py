"""From placed rows to dataset versions: texts are opened once, written as Parquet, stored encrypted, registered.

A version is named by its content: the same rows again are the same version, and nothing is stored twice.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shifty_pipelines.contexts.curation.domain.dataset_cards import Card
from shifty_pipelines.contexts.curation.domain.datasets import CandidateRow, ContentDigest, unfit
from shifty_pipelines.contexts.curation.errors import DatasetRevoked
from shifty_pipelines.contexts.curation.models import Dataset, DatasetVersion
from shifty_pipelines.contexts.curation.service.publishing import NewVersion
from shifty_pipelines.contexts.lifecycle.domain import AssetType, Classification, NewAsset
from shifty_pipelines.contexts.lifecycle.models import DataAsset
from shifty_pipelines.flows.curate import types_for
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.services import Services

FILE_NAME = "dataset.parquet"
SCHEMA = pa.schema([("row_id", pa.string()), ("text", pa.string()), ("label", pa.string()), ("split", pa.string())])
#: Why nothing is published where another run has made rows anew since this one asked.
UNJUDGED = "rows were made anew meanwhile and their checks have not passed"
#: Rows of one row group: what is held in memory at a time.
ROW_GROUP = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What became of one dataset: its version and whether that is new, or why there is none and the previous stays."""

    mission_type: str
    dataset_id: uuid.UUID
    dataset: str
    version: str | None
    row_count: int
    is_new: bool
    card: Mapping[str, Any]
    refusal: str | None = None


def publish_datasets(workshop: Workshop, tenant_id: TenantId) -> Sequence[Publication]:
    """Version every dataset whose rows changed, of every mission type that passed its checks."""
    published: list[Publication] = []
    for mission_type in types_for(workshop, tenant_id, "datasets"):
        with workshop.open(system_actor(tenant_id)) as services:
            datasets = [dataset.id for dataset in services.curation.datasets_of(mission_type)]
        published += [_publish(workshop, tenant_id, dataset_id) for dataset_id in datasets]
    return published


def _publish(workshop: Workshop, tenant_id: TenantId, dataset_id: uuid.UUID) -> Publication:
    with (
        workshop.runs.private(f"dataset-{dataset_id}-{uuid.uuid5(dataset_id, str(workshop.clock.now()))}") as directory,
        workshop.open(system_actor(tenant_id)) as services,
    ):
        dataset = services.curation.dataset(dataset_id)
        if not services.curation.may_go_on("datasets", dataset.mission_type):
            return _publication(dataset, None, is_new=False, refusal=UNJUDGED)
        rows, content = _write(services, dataset, directory / FILE_NAME)
        refusal = unfit(rows)
        if refusal is not None:
            return _publication(dataset, None, is_new=False, refusal=refusal)
        version, is_new = _version(services, dataset, rows, content, directory / FILE_NAME)
        return _publication(dataset, version, is_new=is_new)


def _version(
    services: Services, dataset: Dataset, rows: Sequence[CandidateRow], content: str, file: Path
) -> tuple[DatasetVersion, bool]:
    name = services.curation.version_name(content)
    known = services.curation.version_named(dataset.id, name)
    if known is None:
        return services.curation.add_version(_new_version(services, dataset, rows, name, file)), True
    if known.status == "revoked":
        raise DatasetRevoked(known.id)
    if known.status != "current":
        services.curation.make_current(known)
    return known, False


def _write(services: Services, dataset: Dataset, file: Path) -> tuple[list[CandidateRow], str]:
    """The Parquet of a dataset as it is now; the rows whose text could be opened, and their content's digest."""
    digest = ContentDigest(dataset.tenant_id)
    written: list[CandidateRow] = []
    block: list[tuple[CandidateRow, str]] = []
    candidates = services.curation.rows_of(dataset)
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", write_statistics=False) as writer:
        for row, text in services.curation.texts_of(dataset.mission_type, candidates):
            digest.add(row, text)
            written.append(row)
            block.append((row, text))
            if len(block) == ROW_GROUP:
                writer.write_table(_table(block))
                block = []
        if block:
            writer.write_table(_table(block))
    return written, digest.hexdigest()


def _table(block: Sequence[tuple[CandidateRow, str]]) -> pa.Table:
    columns = (
        [str(row.item_id) for row, _ in block],
        [text for _, text in block],
        [row.label for row, _ in block],
        [row.split for row, _ in block],
    )
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=SCHEMA)


def _new_version(
    services: Services, dataset: Dataset, rows: Sequence[CandidateRow], name: str, file: Path
) -> NewVersion:
    curation = services.curation
    card = Card(
        mission_type=dataset.mission_type,
        min_posterior=dataset.min_posterior,
        rows=rows,
        waterfall=curation.waterfall(dataset.mission_type, min_posterior=dataset.min_posterior),
        agreement=curation.survey_labels(dataset.mission_type),
        replaced_identifiers=curation.replaced_identifiers(
            dataset.mission_type, frozenset(row.item_id for row in rows)
        ),
    )
    asset = _store(services, dataset, name, file, row_count=len(rows))
    assert asset.key_slot is not None  # noqa: S101  # stored assets have one
    return NewVersion(
        dataset=dataset,
        version=name,
        labels=tuple(curation.label_set_of(dataset.mission_type)),
        rows=rows,
        card=card,
        data_asset_id=asset.id,
        key_slot=asset.key_slot,
    )


def _store(services: Services, dataset: Dataset, name: str, file: Path, *, row_count: int) -> DataAsset:
    new = NewAsset(
        name=f"dataset {dataset.name} of {dataset.mission_type}"[:255],
        type=AssetType.DATASET,
        classification=Classification.CONFIDENTIAL,
        metadata={"datasetId": str(dataset.id), "version": name, "rows": row_count},
    )
    with file.open("rb") as content:
        return services.lifecycle.store_asset(new, content)


def _publication(
    dataset: Dataset, version: DatasetVersion | None, *, is_new: bool, refusal: str | None = None
) -> Publication:
    return Publication(
        mission_type=dataset.mission_type,
        dataset_id=dataset.id,
        dataset=dataset.name,
        version=version.version if version else None,
        row_count=version.row_count if version else 0,
        is_new=is_new,
        card=version.card if version else {},
        refusal=refusal,
    )
