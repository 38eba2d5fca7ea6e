"""Use cases of inference: asking a model version."""

from collections.abc import Sequence

from shifty_pipelines.contexts.inference.domain import (
    Answers,
    Prediction,
    ServableVersion,
    checked_inputs,
    predictions_of,
)
from shifty_pipelines.contexts.inference.ports import FetchFiles, Predictor


class InferenceService:
    """Predictions; holds no transaction, since a model may take its time.

    Args:
        predictor: what runs the versions.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, version: ServableVersion, inputs: Sequence[str], *, fetch: FetchFiles) -> list[Prediction]:
        """One prediction per input.

        Raises:
            InputsInvalid: see `checked_inputs`.
            VersionUnservable, PredictorUnavailable: see `Predictor.probabilities`.
        """
        return predictions_of(self._predictor.probabilities(version, checked_inputs(inputs), fetch=fetch))

    def probabilities(self, version: ServableVersion, texts: Sequence[str], *, fetch: FetchFiles) -> Answers:
        """How probable each label is for each of any number of texts; for measuring a version.

        Raises:
            VersionUnservable, PredictorUnavailable: see `Predictor.probabilities`.
        """
        return self._predictor.probabilities(version, texts, fetch=fetch)
