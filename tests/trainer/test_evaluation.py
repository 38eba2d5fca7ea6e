import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_recall_fscore_support

from shifty_trainer.evaluation import confusion_matrix, evaluate, macro_f1

LABELS = ["bug", "feature", "question"]


def test_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet([0.7, 1.0, 0.5], size=200)
    truth = rng.integers(0, 3, size=200)
    predicted = probabilities.argmax(axis=1)

    evaluation = evaluate(probabilities, truth, labels=LABELS)

    assert evaluation.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert evaluation.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert evaluation.log_loss == pytest.approx(log_loss(truth, probabilities))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted)
    assert [score.precision for score in evaluation.by_label] == pytest.approx(list(precision))
    assert [score.recall for score in evaluation.by_label] == pytest.approx(list(recall))
    assert [score.f1 for score in evaluation.by_label] == pytest.approx(list(f1))
    assert [score.support for score in evaluation.by_label] == list(support)


def test_calibration_worked_out_by_hand() -> None:
    # two rows at 0.9, one right: |0.5 - 0.9| = 0.4 in bin (0.8, 0.9];
    # two rows at 0.6, both right: |1 - 0.6| = 0.4 in bin (0.5, 0.6]; expected error 0.5 * 0.4 + 0.5 * 0.4
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.6, 0.4]])
    evaluation = evaluate(probabilities, np.array([0, 1, 1, 0]), labels=["yes", "no"])

    assert evaluation.calibration_error == pytest.approx(0.4)
    assert [(bin_.low, bin_.high) for bin_ in evaluation.calibration] == [
        pytest.approx((0.5, 0.6)),
        pytest.approx((0.8, 0.9)),
    ]
    assert [bin_.row_count for bin_ in evaluation.calibration] == [2, 2]
    assert [bin_.accuracy for bin_ in evaluation.calibration] == [1.0, 0.5]


def test_certainty_falls_into_the_last_bin_and_a_certain_miss_stays_finite() -> None:
    evaluation = evaluate(np.array([[1.0, 0.0]]), np.array([1]), labels=["yes", "no"])

    assert evaluation.calibration[0].high == 1.0
    assert evaluation.log_loss == pytest.approx(-math.log(1e-12))


def test_a_label_that_neither_occurs_nor_is_predicted_does_not_count() -> None:
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 0, 1]), label_count=3)

    assert macro_f1(confusion) == 1.0


def test_macro_f1_works_on_a_stack_of_confusions() -> None:
    # by hand: F1 of the first is 2*1/(2+1) and 2*1/(1+2), of the second 0 and 0
    stack = np.array([[[1, 1], [0, 1]], [[0, 2], [1, 0]]])

    assert macro_f1(stack) == pytest.approx([2 / 3, 0.0])


def test_the_message_is_camel_case_json() -> None:
    body = evaluate(np.array([[0.7, 0.3]]), np.array([0]), labels=["yes", "no"]).as_message()

    assert body["macroF1"] == 1.0
    assert body["labels"]["no"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
