"""Predictions, on the AI orchestrator's port (3003) and the model registry's (3007)."""

import uuid

from fastapi import APIRouter

from shifty_pipelines.api.answers import Ok
from shifty_pipelines.api.catalogue import AI_ORCHESTRATOR
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.inference.schemas import PredictBody, PredictionsBody
from shifty_pipelines.flows.predict import predict

predictions: APIRouter = router_of(AI_ORCHESTRATOR)


@predictions.post("/api/v1/models/{model_id}/predictions")
def post_predictions(model_id: uuid.UUID, body: PredictBody, call: CallDep) -> Ok[PredictionsBody]:
    """What the promoted version of a deployed model answers."""
    predicted = predict(call.platform, call.actor, model_id, body.inputs)
    return Ok[PredictionsBody](data=PredictionsBody.model_validate(predicted))
