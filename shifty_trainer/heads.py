"""The classifier on top of embeddings: logistic regression, exported as data."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from shifty_trainer.whole_directory import canonical_json

WEIGHTS_NAME = "head.safetensors"
CONFIG_NAME = "head.json"
HEAD_VERSION = 1

# The grid of the frozen head and of TF-IDF, chosen on inner folds of the training rows by log loss.
C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
INNER_FOLDS = 5
FEWEST_FOLDS = 2
MAX_ITERATIONS = 2000


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


def fit_head(embeddings: np.ndarray, label_ids: np.ndarray, *, labels: Sequence[str], c: float) -> LinearHead:
    """Multinomial logistic regression with L2 penalty 1/`c`.

    Args:
        embeddings: float ``(rows, dimensions)``.
        label_ids: int ``(rows,)``, at least two different ones.
        labels: the whole label set.
        c: inverse strength of the penalty.
    """
    model = fit_logistic_regression(embeddings, label_ids, c=c)
    weights = np.zeros((len(labels), embeddings.shape[1]), dtype=np.float32)
    bias = np.full(len(labels), -np.inf, dtype=np.float32)
    # With two classes sklearn keeps one row w of scores; softmax over (0, w.x) is its sigmoid.
    is_binary = len(model.coef_) == 1
    weights[model.classes_] = np.vstack([np.zeros_like(model.coef_), model.coef_]) if is_binary else model.coef_
    bias[model.classes_] = np.concatenate([[0.0], model.intercept_]) if is_binary else model.intercept_
    return LinearHead(labels=tuple(labels), weights=weights, bias=bias, c=c)


def fit_logistic_regression(features: Any, label_ids: np.ndarray, *, c: float) -> LogisticRegression:
    """sklearn's, fitted; a run that stops at `MAX_ITERATIONS` is good enough and not worth a warning each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(features, label_ids)


def choose_c(features: Any, label_ids: np.ndarray, *, seed: int, default: float) -> float:
    """The `C_GRID` value of least log loss on inner folds; `default` where a class has too few rows to fold."""
    fewest = np.unique(label_ids, return_counts=True)[1].min()
    fold_count = int(min(INNER_FOLDS, fewest))
    if fold_count < FEWEST_FOLDS:
        return default
    folds = list(StratifiedKFold(fold_count, shuffle=True, random_state=seed).split(features, label_ids))
    classes = np.unique(label_ids)

    def inner_loss(c: float) -> float:
        losses = []
        for fit_rows, held_out in folds:
            model = fit_logistic_regression(features[fit_rows], label_ids[fit_rows], c=c)
            losses.append(log_loss(label_ids[held_out], model.predict_proba(features[held_out]), labels=classes))
        return float(np.mean(losses))

    return min(C_GRID, key=inner_loss)
