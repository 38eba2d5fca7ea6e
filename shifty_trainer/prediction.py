"""Predict with an exported model version; runs in a process of its own, never in the API's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from shifty_trainer.encoder import Encoder, base_model_sha256
from shifty_trainer.job import ModelKind
from shifty_trainer.lora import Adapter
from shifty_trainer.model_version import ModelVersion, load_model_version


class Predictor:
    """A model version on its base model, ready to answer. Keep it: loading takes a second or so, answering none."""

    def __init__(self, version: ModelVersion, encoder: Encoder) -> None:
        self._version = version
        self._encoder = encoder
        self.labels = version.labels

    @classmethod
    def load(cls, directory: Path, *, base_model: Path, device: str = "cpu") -> "Predictor":
        """The predictor of an exported directory.

        Raises:
            ModelVersionBroken: the directory is not whole.
            BaseModelMissing: no base model at that path.
            BaseModelChanged: it is not the one the version was trained on.
        """
        version = load_model_version(directory)
        base_model_sha256(base_model, expected=version.base_sha256)
        encoder = Encoder.load(base_model, adapted_layer_count=version.adapted_layers, device=torch.device(device))
        if version.kind is ModelKind.ADAPTER:
            Adapter.load(encoder, directory)
            encoder.model.eval()
        return cls(version, encoder)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Probability of each of `labels` for each text, float64 ``(texts, labels)``; rows sum to 1.

        Texts are read up to `rows.MAX_TEXT_CHARS` characters and the version's number of tokens.
        """
        if not texts:
            return np.empty((0, len(self.labels)))
        lower = self._encoder.lower_states(texts, max_tokens=self._version.head_tokens)
        return self._version.head.probabilities(self._encoder.embed_all(lower, np.arange(len(texts))))
