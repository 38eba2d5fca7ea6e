"""Datasets, on the arcade's port (3009)."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, encode_cursor, page_of
from shifty_pipelines.api.catalogue import HITL_ARCADE
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.curation.schemas import (
    CreateDatasetBody,
    DatasetDetailOut,
    DatasetOut,
    DatasetRowOut,
    DatasetVersionOut,
)

datasets: APIRouter = router_of(HITL_ARCADE)


@datasets.post("/api/v1/tenants/{tenant_id}/datasets", status_code=201)
def post_dataset(tenant_id: uuid.UUID, body: CreateDatasetBody, call: CallDep) -> Ok[DatasetOut]:
    """Name a recipe over a mission type; it is materialised in Dagster."""
    with call.open() as services:
        return Ok[DatasetOut](data=DatasetOut.model_validate(services.curation.add_dataset(body.recipe())))


@datasets.get("/api/v1/tenants/{tenant_id}/datasets")
def list_datasets(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[DatasetOut]:
    """Datasets, newest first."""
    with call.open() as services:
        rows = services.curation.datasets(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, DatasetOut)


@datasets.get("/api/v1/datasets/{dataset_id}")
def read_dataset(dataset_id: uuid.UUID, call: CallDep) -> Ok[DatasetDetailOut]:
    """A dataset with its current version and card."""
    with call.open() as services:
        dataset = DatasetDetailOut.model_validate(services.curation.dataset(dataset_id))
        current = services.curation.current_version(dataset_id)
        if current is not None:
            dataset.current_version = DatasetVersionOut.model_validate(current)
        return Ok[DatasetDetailOut](data=dataset)


@datasets.get("/api/v1/datasets/{dataset_id}/versions/{version_id}/rows")
def list_rows(
    dataset_id: uuid.UUID, version_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DatasetRowOut]:
    """Rows of a version with the label events behind each; no text."""
    after = decode_cursor(cursor)
    with call.open() as services:
        version = services.curation.version_of(dataset_id, version_id)
        rows = services.curation.version_rows(version.id, after=after[1] if after else None, limit=limit + 1)
        shown = [DatasetRowOut.model_validate(row) for row in rows[:limit]]
        more = len(rows) > limit
    return Page[DatasetRowOut](
        data=shown, next_cursor=encode_cursor(version.created_at, shown[-1].item_id) if more else None
    )
