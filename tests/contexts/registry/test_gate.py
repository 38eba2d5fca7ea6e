"""The gate's three verdicts, on answers whose figures are known by hand or by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from shifty_pipelines.contexts.registry.domain.gate import (
    GateReport,
    Opponent,
    PairedAnswers,
    Verdict,
    judge,
    majority_answers,
)
from shifty_pipelines.contexts.registry.domain.scores import NO_LABEL, calibration_error, scores

LABELS = ("a", "b", "c")


def paired(truth: list[int], candidate: list[int], opponent: list[int]) -> PairedAnswers:
    return PairedAnswers(
        truth_ids=np.array(truth), candidate=np.array(candidate), opponent=np.array(opponent), labels=LABELS
    )


def with_errors(truth: list[int], *rows: int) -> list[int]:
    """The truth, wrong in these rows."""
    return [(label + 1) % len(LABELS) if row in rows else label for row, label in enumerate(truth)]


def gate(truth: list[int], candidate: list[int], opponent: list[int]) -> GateReport:
    return judge(paired(truth, candidate, opponent), against=Opponent.INCUMBENT)


BALANCED = [0, 1, 2] * 20


def test_equal_answers_pass_with_a_difference_of_exactly_zero() -> None:
    answers = with_errors(BALANCED, 3, 17, 40)
    report = gate(BALANCED, answers, answers)
    assert (report.verdict, report.difference, report.low, report.high) == (Verdict.PASSED, 0.0, 0.0, 0.0)


def test_a_clearly_worse_version_is_refused() -> None:
    report = gate(BALANCED, with_errors(BALANCED, *range(30)), BALANCED)
    assert report.verdict is Verdict.REFUSED
    assert report.high < 0
    assert report.difference == pytest.approx(
        f1_score(BALANCED, with_errors(BALANCED, *range(30)), average="macro") - 1.0
    )


def test_a_slightly_worse_version_on_few_rows_is_inconclusive() -> None:
    # Three errors against two, in other rows: macro F1 differs by about 0.017, its interval reaches both sides.
    report = gate(BALANCED, with_errors(BALANCED, 0, 1, 2), with_errors(BALANCED, 30, 31))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.low < -0.02 < 0 < report.high


def test_a_better_version_passes() -> None:
    report = gate(BALANCED, BALANCED, with_errors(BALANCED, *range(12)))
    assert report.verdict is Verdict.PASSED
    assert report.low > 0


def test_the_interval_is_that_of_a_paired_bootstrap() -> None:
    # Two labels of 100 rows each, candidate and incumbent wrong in 20 rows each, the same ones: pairing cancels them.
    truth = [0] * 100 + [1] * 100
    wrong = [1 - label if row % 10 == 0 else label for row, label in enumerate(truth)]
    assert gate(truth, wrong, wrong).high == 0.0
    # Resampling 200 rows with 20 discordant answers that all favour the candidate: the difference of accuracies has
    # standard error sqrt(0.1 * 0.9 / 200) = 0.0212, its 90 % interval 0.1 +- 0.035 (macro F1 is close to it here).
    report = gate(truth, truth, wrong)
    assert (report.low, report.high) == pytest.approx((0.065, 0.135), abs=0.012)


def rare_label(lost: int, rows: int) -> tuple[list[int], list[int]]:
    """Label b in `rows` rows, `lost` of which the candidate misses; it is better everywhere else."""
    truth = [1] * rows + [0] * 200 + [2] * 200
    return truth, [0] * lost + truth[lost:]


@pytest.mark.parametrize(("rows", "lost", "refused"), [(30, 4, True), (30, 3, False), (29, 20, False)])
def test_a_label_that_loses_recall_refuses_whatever_the_rest_gains(rows: int, lost: int, *, refused: bool) -> None:
    truth, candidate = rare_label(lost, rows)
    opponent = [*truth[:rows], *[(label + 2) % 4 % 3 for label in truth[rows:]]]
    report = gate(truth, candidate, opponent)
    assert report.low > 0
    assert (report.verdict is Verdict.REFUSED) is refused
    assert [loss.label for loss in report.recall_losses] == (["b"] if refused else [])


def test_against_the_majority_recall_says_nothing() -> None:
    truth = [0] * 40 + [1] * 30 + [2] * 30
    candidate = [1] * 10 + truth[10:]
    answers = paired(truth, candidate, majority_answers(np.array([0, 0, 1, 2]), len(truth)).tolist())
    assert judge(answers, against=Opponent.MAJORITY).verdict is Verdict.PASSED
    assert judge(answers, against=Opponent.INCUMBENT).verdict is Verdict.REFUSED


def test_an_incumbent_that_answers_with_a_label_of_its_own_is_wrong_there() -> None:
    report = gate([0, 1, 2, 0], [0, 1, 2, 0], [NO_LABEL, 1, 2, 0])
    expected = f1_score([0, 1, 2, 0], [3, 1, 2, 0], labels=[0, 1, 2], average="macro")
    assert report.difference == pytest.approx(1.0 - expected)


def test_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 90)
    probabilities = rng.dirichlet([1, 1, 1], 90)
    answers = probabilities.argmax(axis=1)
    ours = scores(probabilities, truth, labels=LABELS)
    assert ours["f1Score"] == pytest.approx(f1_score(truth, answers, average="macro"))
    assert ours["accuracy"] == pytest.approx((truth == answers).mean())
    assert [ours["labels"][label]["recall"] for label in LABELS] == pytest.approx(
        recall_score(truth, answers, average=None)
    )
    assert [ours["labels"][label]["precision"] for label in LABELS] == pytest.approx(
        precision_score(truth, answers, average=None)
    )


def test_calibration_error_is_the_gap_between_sureness_and_truth() -> None:
    # Four answers at 0.75, two right: gap 0.25. One at 1.0, right: gap 0. Weighted: 4/5 * 0.25.
    confidence = np.array([0.75, 0.75, 0.75, 0.75, 1.0])
    assert calibration_error(confidence, np.array([True, True, False, False, True])) == pytest.approx(0.2)
