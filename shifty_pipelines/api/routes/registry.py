"""Model registry (3007): models, versions, evaluations, which version serves."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, encode_cursor, page_of
from shifty_pipelines.api.catalogue import MODEL_REGISTRY
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.registry.schemas import (
    DeployBody,
    DeploymentBody,
    EvaluateBody,
    EvaluationBody,
    ModelBody,
    ModelDetailBody,
    PromoteBody,
    RegisterModelBody,
    RollbackBody,
)
from shifty_pipelines.services import Services

models: APIRouter = router_of(MODEL_REGISTRY)


@models.post("/api/v1/models", status_code=201)
def post_model(body: RegisterModelBody, call: CallDep, once: OnceDep) -> Ok[ModelDetailBody]:
    """Register a base model: the packaged one, or a folder the operator provides."""
    with call.open() as services:
        model_id = once.run(services, lambda: services.registry.register(body.model()).id)
        return Ok[ModelDetailBody](data=_detail(services, model_id))


@models.get("/api/v1/models/{model_id}")
def read_model(model_id: uuid.UUID, call: CallDep) -> Ok[ModelDetailBody]:
    """One model with its versions and the history of what served."""
    with call.open() as services:
        return Ok[ModelDetailBody](data=_detail(services, model_id))


@models.get("/api/v1/tenants/{tenant_id}/models")
def list_models(tenant_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[ModelBody]:
    """Models, newest first."""
    with call.open() as services:
        rows = services.registry.models(after=decode_cursor(cursor), limit=limit + 1)
        shown = rows[:limit]
        standings = services.registry.standings([model.id for model in shown])
    more = len(rows) > limit
    return Page[ModelBody](
        data=[ModelBody.of(model, standings.get(model.id)) for model in shown],
        next_cursor=encode_cursor(shown[-1].created_at, shown[-1].id) if more else None,
    )


@models.post("/api/v1/models/{model_id}/evaluations", status_code=201)
def post_evaluation(model_id: uuid.UUID, body: EvaluateBody, call: CallDep, once: OnceDep) -> Ok[EvaluationBody]:
    """Have a version measured on its frozen test split; numbers sent along are kept beside ours."""
    claimed = body.metrics.given() if body.metrics else None
    with call.open() as services:
        evaluation_id = once.run(
            services,
            lambda: (
                services.registry.request_evaluation(
                    model_id, body.version, kind=body.evaluation_type, claimed_metrics=claimed
                ).id
            ),
        )
        return Ok[EvaluationBody](data=EvaluationBody.model_validate(services.registry.evaluation(evaluation_id)))


@models.get("/api/v1/models/{model_id}/evaluations")
def list_evaluations(
    model_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[EvaluationBody]:
    """A model's evaluations, newest first."""
    with call.open() as services:
        rows = services.registry.evaluations(model_id, after=decode_cursor(cursor), limit=limit + 1)
        return page_of(rows, limit, EvaluationBody)


@models.post("/api/v1/models/{model_id}/deploy")
def deploy_model(model_id: uuid.UUID, body: DeployBody, call: CallDep) -> Ok[DeploymentBody]:
    """Let the model answer on the tenant's built-in instance."""
    with call.open() as services:
        deployment = services.registry.deploy(model_id, instance_id=body.instance_id)
        return Ok[DeploymentBody](data=DeploymentBody.model_validate(deployment))


@models.post("/api/v1/models/{model_id}/promote")
def promote_model(model_id: uuid.UUID, body: PromoteBody, call: CallDep) -> Ok[ModelDetailBody]:
    """Let a version serve that the gate has passed, or that a person answers for."""
    with call.open() as services:
        services.registry.promote(model_id, body.version, reason=body.reason)
        return Ok[ModelDetailBody](data=_detail(services, model_id))


@models.post("/api/v1/models/{model_id}/rollback")
def roll_back_model(model_id: uuid.UUID, call: CallDep, body: RollbackBody | None = None) -> Ok[ModelDetailBody]:
    """Undo the last promotion."""
    with call.open() as services:
        services.registry.roll_back(model_id, reason=body.reason if body else None)
        return Ok[ModelDetailBody](data=_detail(services, model_id))


def _detail(services: Services, model_id: uuid.UUID) -> ModelDetailBody:
    registry = services.registry
    return ModelDetailBody.whole(
        registry.model(model_id),
        registry.standings([model_id]).get(model_id),
        registry.versions(model_id),
        registry.alias_moves(model_id),
    )
