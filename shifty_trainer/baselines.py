"""What any adapter must beat: the majority, counted words, and (in `training.py`) the frozen embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from shifty_trainer.fitting import choose_c, fit_logistic_regression

#: Above this the rotation's cube of rows costs more than it saves.
MAX_ROTATED_ROWS = 2_000
#: Directions this much weaker than the strongest are rounding.
RANK_TOLERANCE = 1e-10


def majority_probabilities(train_label_ids: np.ndarray, *, label_count: int, row_count: int) -> np.ndarray:
    """The training shares of the labels for every row; float ``(row_count, label_count)``.

    The most frequent label has the largest share, so the prediction is the majority.
    """
    shares = np.bincount(train_label_ids, minlength=label_count) / len(train_label_ids)
    return np.tile(shares, (row_count, 1))


def tfidf_probabilities(
    train_texts: Sequence[str], train_label_ids: np.ndarray, texts: Sequence[str], *, label_count: int, seed: int
) -> np.ndarray | None:
    """Logistic regression on TF-IDF of words (1-2) and of letters within words (3-5), sublinear, in >= 2 texts.

    Returns:
        float ``(len(texts), label_count)``; `None` when no term occurs in two training texts.
    """
    vectorizer = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)),
            ("letters", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)),
        ]
    )
    try:
        features = vectorizer.fit_transform(train_texts).tocsr()
    except ValueError:  # sklearn: "empty vocabulary" or "no terms remain"
        return None
    fitted, asked = _in_row_space(features, vectorizer.transform(texts).tocsr())
    c = choose_c(fitted, train_label_ids, seed=seed, default=1.0)
    model = fit_logistic_regression(fitted, train_label_ids, c=c)
    probabilities = np.zeros((len(texts), label_count))
    probabilities[:, model.classes_] = model.predict_proba(asked)
    return probabilities


def _in_row_space(features: Any, others: Any) -> tuple[Any, Any]:
    """The same rows in an orthonormal basis of the space that the fitted rows span: ten thousand terms become few.

    An L2-penalised linear model has its weights in that space, so it answers exactly as on the terms themselves, and
    fits as many numbers as there are rows. Where there are more rows than `MAX_ROTATED_ROWS` the terms stay.

    Source:
        The representer theorem: Schoelkopf, Herbrich & Smola (2001), COLT; the rotation is Hastie, Tibshirani &
        Friedman, The Elements of Statistical Learning (2009), 18.3.5.
    """
    if features.shape[0] > min(MAX_ROTATED_ROWS, features.shape[1]):
        return features, others
    eigenvalues, vectors = np.linalg.eigh((features @ features.T).toarray())
    is_spanned = eigenvalues > eigenvalues[-1] * RANK_TOLERANCE
    scale = np.sqrt(eigenvalues[is_spanned])
    basis = vectors[:, is_spanned]
    return basis * scale, np.asarray((others @ features.T) @ basis) / scale
