"""The classifier on top of embeddings: logistic regression as data. What serves it needs no more than numpy."""

import json
from dataclasses import dataclass

import numpy as np
import safetensors.numpy

from shifty_trainer.whole_directory import canonical_json

WEIGHTS_NAME = "head.safetensors"
CONFIG_NAME = "head.json"
HEAD_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """A softmax over linear scores: `weights` ``(classes, dimensions)``, `bias` ``(classes,)``, float32.

    `labels` is the job's whole label set; a label without training rows has bias -inf, hence probability 0.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    c: float

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Probability of each label, float64 ``(rows, classes)``; rows sum to 1."""
        scores = embeddings.astype(np.float64) @ self.weights.T.astype(np.float64) + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def files(self) -> dict[str, bytes]:
        """The head as data: tensors as safetensors, everything else as JSON."""
        tensors = {"weights": np.ascontiguousarray(self.weights), "bias": np.ascontiguousarray(self.bias)}
        config = {"version": HEAD_VERSION, "classes": list(self.labels), "c": self.c}
        return {WEIGHTS_NAME: safetensors.numpy.save(tensors), CONFIG_NAME: canonical_json(config)}


def head_from_files(weights: bytes, config: bytes) -> LinearHead:
    """The inverse of `LinearHead.files`.

    Raises:
        ValueError: a version this program does not read.
    """
    facts = json.loads(config)
    if facts["version"] != HEAD_VERSION:
        raise ValueError(f"head version {facts['version']} is unknown; this program reads {HEAD_VERSION}")
    tensors = safetensors.numpy.load(weights)
    return LinearHead(
        labels=tuple(facts["classes"]), weights=tensors["weights"], bias=tensors["bias"], c=float(facts["c"])
    )
