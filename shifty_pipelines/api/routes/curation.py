"""Curation on the HITL arcade's port (3009): label sets, and datasets with their versions and rows."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, encode_cursor, page_of
from shifty_pipelines.api.catalogue import HITL_ARCADE
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.schemas import (
    AddDatasetBody,
    DatasetDetailOut,
    DatasetOut,
    DatasetRowOut,
    DatasetVersionOut,
    LabelsBody,
    LabelsOut,
)
from shifty_pipelines.flows.add_dataset import add_dataset
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.services import Services

label_sets: APIRouter = router_of(HITL_ARCADE)
datasets: APIRouter = router_of(HITL_ARCADE)


@label_sets.get("/api/v1/tenants/{tenant_id}/label-sets")
def list_label_sets(tenant_id: uuid.UUID, call: CallDep) -> Page[LabelsOut]:
    """The labels of every mission type that has some."""
    with call.open() as services:
        sets = services.curation.label_sets()
    return Page[LabelsOut](data=[LabelsOut.model_validate(labels) for labels in sets], next_cursor=None)


@label_sets.put("/api/v1/tenants/{tenant_id}/label-sets/{mission_type}")
def put_label_set(tenant_id: uuid.UUID, mission_type: MissionType, body: LabelsBody, call: CallDep) -> Ok[LabelsOut]:
    """Name the labels of a mission type; refused while missions of the type are open."""
    with call.open() as services:
        set_labels(services, mission_type, body.labels)
        return Ok[LabelsOut](data=LabelsOut.model_validate(services.curation.label_set(mission_type.value)))


@datasets.post("/api/v1/tenants/{tenant_id}/datasets", status_code=201)
def post_dataset(tenant_id: uuid.UUID, body: AddDatasetBody, call: CallDep) -> Ok[DatasetDetailOut]:
    """Name a recipe over a mission type; its first version comes with the next materialisation."""
    with call.open() as services:
        dataset = add_dataset(services, body.recipe())
        return Ok[DatasetDetailOut](data=_detail(services, dataset.id))


@datasets.get("/api/v1/tenants/{tenant_id}/datasets")
def list_datasets(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[DatasetOut]:
    """Datasets, newest first."""
    with call.open() as services:
        found = services.curation.datasets(after=decode_cursor(cursor), limit=limit + 1)
        shown = found[:limit]
        current = services.curation.current_versions([dataset.id for dataset in shown])
        return Page[DatasetOut](
            data=[DatasetOut.of(dataset, _version(current.get(dataset.id))) for dataset in shown],
            next_cursor=encode_cursor(shown[-1].created_at, shown[-1].id) if len(found) > limit else None,
        )


@datasets.get("/api/v1/datasets/{dataset_id}")
def read_dataset(dataset_id: uuid.UUID, call: CallDep) -> Ok[DatasetDetailOut]:
    """One dataset with its current version and that version's card."""
    with call.open() as services:
        return Ok[DatasetDetailOut](data=_detail(services, dataset_id))


@datasets.get("/api/v1/datasets/{dataset_id}/versions")
def list_dataset_versions(
    dataset_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DatasetVersionOut]:
    """A dataset's versions, newest first."""
    with call.open() as services:
        found = services.curation.versions(dataset_id, after=decode_cursor(cursor), limit=limit + 1)
        return page_of(found, limit, DatasetVersionOut)


@datasets.get("/api/v1/datasets/{dataset_id}/versions/{version_id}/rows")
def list_dataset_rows(
    dataset_id: uuid.UUID, version_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DatasetRowOut]:
    """A version's rows in order of id, each with the label events that made its label; no text."""
    with call.open() as services:
        version = services.curation.version_of(dataset_id, version_id)
        found = services.curation.version_rows(version.id, after=_row_after(cursor), limit=limit + 1)
        shown = found[:limit]
        return Page[DatasetRowOut](
            data=[DatasetRowOut.model_validate(row) for row in shown],
            next_cursor=str(shown[-1].item_id) if len(found) > limit else None,
        )


def _detail(services: Services, dataset_id: uuid.UUID) -> DatasetDetailOut:
    dataset = services.curation.dataset(dataset_id)
    return DatasetDetailOut.of(dataset, _version(services.curation.current_version(dataset_id)))


def _version(found: object | None) -> DatasetVersionOut | None:
    return None if found is None else DatasetVersionOut.model_validate(found)


def _row_after(cursor: str | None) -> uuid.UUID | None:
    try:
        return None if cursor is None else uuid.UUID(cursor)
    except ValueError as error:
        raise InvalidValue("cursor", cursor, "the nextCursor of an earlier page") from error
