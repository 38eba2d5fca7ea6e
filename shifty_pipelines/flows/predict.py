"""Asking a model: the version that serves answers, in a process of its own, with no transaction open meanwhile."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from shifty_pipelines.contexts.inference.domain import Prediction, checked_inputs
from shifty_pipelines.flows.model_files import fetch_version, servable
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.tenant import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Answers, and which version gave them."""

    model_id: uuid.UUID
    version: int
    predictions: Sequence[Prediction]


def predict(workshop: Workshop, actor: Actor, model_id: uuid.UUID, inputs: Sequence[str]) -> Predicted:
    """What the promoted version of a deployed model answers.

    Raises:
        NotFound: no such model in the caller's tenant.
        NothingPromoted, NotDeployed: it does not answer yet.
        InputsInvalid: see `checked_inputs`.
        VersionUnservable, PredictorUnavailable: see `Predictor.probabilities`.
    """
    with workshop.open(actor) as services:
        version = services.registry.answering_version(model_id)
        loadable = servable(services, version)
    checked_inputs(inputs)
    predictions = workshop.inference.predict(loadable, inputs, fetch=fetch_version(workshop, actor, version))
    return Predicted(model_id=model_id, version=version.version, predictions=predictions)
