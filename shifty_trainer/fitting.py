"""Fitting logistic regressions: the heads of both candidates, and the baselines."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from shifty_trainer.heads import LinearHead

# The grid of the frozen head and of TF-IDF, chosen on inner folds of the training rows by log loss.
C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
INNER_FOLDS = 5
FEWEST_FOLDS = 2
MAX_ITERATIONS = 2000


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
