import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from shifty_trainer.baselines import majority_probabilities, tfidf_probabilities
from shifty_trainer.fitting import C_GRID
from tests.trainer.conftest import LABELS, sample_rows


def test_the_majority_predicts_the_training_shares() -> None:
    probabilities = majority_probabilities(np.array([0, 2, 2, 2]), label_count=3, row_count=2)

    assert probabilities == pytest.approx(np.array([[0.25, 0, 0.75], [0.25, 0, 0.75]]))


def test_tfidf_is_logistic_regression_on_words_and_letters() -> None:
    rows = sample_rows()
    train, test = rows[rows.split == "train"], rows[rows.split == "test"]
    label_ids = np.array([LABELS.index(label) for label in train.label])

    probabilities = tfidf_probabilities(list(train.text), label_ids, list(test.text), label_count=3, seed=1)

    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2),
    ]
    features = np.hstack([vectorizer.fit_transform(train.text).toarray() for vectorizer in vectorizers])
    held_out = np.hstack([vectorizer.transform(test.text).toarray() for vectorizer in vectorizers])
    references = [
        LogisticRegression(C=c, max_iter=2000).fit(features, label_ids).predict_proba(held_out) for c in C_GRID
    ]
    assert probabilities is not None
    assert any(np.allclose(probabilities, reference, atol=1e-3) for reference in references)


def test_texts_without_a_common_term_have_no_tfidf() -> None:
    assert tfidf_probabilities(["aaaa", "bbbb"], np.array([0, 1]), ["cc"], label_count=2, seed=1) is None
