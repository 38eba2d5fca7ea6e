"""Training jobs, on the model registry's port (3007)."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, page_of
from shifty_pipelines.api.catalogue import MODEL_REGISTRY
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.training.schemas import RequestTrainingBody, TrainingJobBody, TrainingJobSummaryBody
from shifty_pipelines.flows.request_training import request_training

jobs: APIRouter = router_of(MODEL_REGISTRY)


@jobs.post("/api/v1/tenants/{tenant_id}/training-jobs", status_code=201)
def post_training_job(
    tenant_id: uuid.UUID, body: RequestTrainingBody, call: CallDep, once: OnceDep
) -> Ok[TrainingJobBody]:
    """Queue a training on the present version of a dataset."""
    with call.open() as services:
        job_id = once.run(
            services,
            lambda: (
                request_training(
                    services,
                    call.platform.datasets,
                    body.dataset_id,
                    base_model_id=body.base_model_id,
                    kind=body.kind,
                    config=body.config(),
                ).id
            ),
        )
        return Ok[TrainingJobBody](data=TrainingJobBody.model_validate(services.training.job(job_id)))


@jobs.get("/api/v1/tenants/{tenant_id}/training-jobs")
def list_training_jobs(
    tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[TrainingJobSummaryBody]:
    """Training jobs, newest first."""
    with call.open() as services:
        rows = services.training.jobs(after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, TrainingJobSummaryBody)


@jobs.get("/api/v1/training-jobs/{job_id}")
def read_training_job(job_id: uuid.UUID, call: CallDep) -> Ok[TrainingJobBody]:
    """One training job with its progress and logs, while it runs and after."""
    with call.open() as services:
        return Ok[TrainingJobBody](data=TrainingJobBody.model_validate(services.training.job(job_id)))


@jobs.post("/api/v1/training-jobs/{job_id}/cancel")
def cancel_training_job(job_id: uuid.UUID, call: CallDep) -> Ok[TrainingJobBody]:
    """Cancel a training; a running one stops within seconds and nothing of it is registered."""
    with call.open() as services:
        return Ok[TrainingJobBody](data=TrainingJobBody.model_validate(services.training.cancel(job_id)))
