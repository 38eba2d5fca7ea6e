"""Bodies of inference on the wire."""

import uuid
from collections.abc import Mapping, Sequence

from shifty_pipelines.kernel.wire import RequestBody, WireModel


class PredictBody(RequestBody):
    """What to ask; counts and lengths are checked by the domain, whose refusal repeats no text."""

    inputs: list[str]


class PredictionBody(WireModel):
    """The answer to one input."""

    label: str
    confidence: float
    probabilities: Mapping[str, float]


class PredictionsBody(WireModel):
    """Answers in the order of the inputs, and which version gave them."""

    model_id: uuid.UUID
    version: int
    predictions: Sequence[PredictionBody]
