"""What any adapter must beat: the majority, counted words, and (in `training.py`) the frozen embeddings."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from shifty_trainer.heads import choose_c, fit_logistic_regression


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
    c = choose_c(features, train_label_ids, seed=seed, default=1.0)
    model = fit_logistic_regression(features, train_label_ids, c=c)
    probabilities = np.zeros((len(texts), label_count))
    probabilities[:, model.classes_] = model.predict_proba(vectorizer.transform(texts))
    return probabilities
