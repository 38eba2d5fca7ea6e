"""A job's states, hyperparameters and progress: pure rules."""

import math
from itertools import pairwise
from typing import Any

import pytest

from shifty_pipelines.contexts.training.domain.hyperparameters import RANGES, checked_hyperparameters
from shifty_pipelines.contexts.training.domain.jobs import (
    ENDED,
    MAX_LOGS,
    PATH,
    RUNNING,
    JobStatus,
    after_death,
    may_become,
    progress_of,
    with_log,
)
from shifty_pipelines.contexts.training.errors import HyperparameterOutOfRange, HyperparameterUnknown
from shifty_trainer.job import BOUNDS


def test_a_job_goes_forward_step_by_step_and_nowhere_else() -> None:
    allowed = {(now, then) for now in JobStatus for then in JobStatus if may_become(now, then)}
    forward = set(pairwise(PATH))
    aside = {(now, end) for now in JobStatus if now not in ENDED for end in (JobStatus.FAILED, JobStatus.CANCELLED)}
    again = {(now, JobStatus.QUEUED) for now in RUNNING}
    assert allowed == forward | aside | again
    assert [status.value for status in PATH] == [
        *("queued", "provisioning", "preparing_data", "training", "evaluating", "saving", "completed"),
    ]


def test_a_job_is_queued_again_until_its_third_attempt_dies() -> None:
    assert [after_death(attempt).value for attempt in (1, 2, 3)] == ["queued", "queued", "failed"]


def test_the_ranges_are_those_of_the_trainer() -> None:
    assert {name: (r.minimum, r.maximum, r.is_whole) for name, r in RANGES.items()} == {
        bound.name: (bound.minimum, bound.maximum, bound.is_whole) for bound in BOUNDS
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learningRate", 0.2),
        ("learningRate", 0),
        ("learningRate", "0.001"),
        ("batchSize", 0),
        ("batchSize", 129),
        ("batchSize", 2.5),
        ("epochs", True),
        ("epochs", 101),
        ("warmupSteps", -1),
        ("gradientAccumulationSteps", 33),
        ("loraRank", 3),
        ("loraAlpha", 257),
        ("epochs", math.inf),
        ("warmupSteps", math.nan),
    ],
)
def test_a_hyperparameter_out_of_range_is_refused_by_name_value_and_range(name: str, value: Any) -> None:
    with pytest.raises(HyperparameterOutOfRange) as refused:
        checked_hyperparameters({name: value})
    assert refused.value.status == 400
    assert name in refused.value.message
    assert repr(value) in refused.value.message
    assert f"{RANGES[name].minimum:g}" in refused.value.message


def test_a_number_of_four_hundred_digits_is_out_of_range() -> None:
    with pytest.raises(HyperparameterOutOfRange, match="epochs"):
        checked_hyperparameters({"epochs": 10**400})


def test_an_unknown_hyperparameter_is_refused_and_a_null_is_absent() -> None:
    with pytest.raises(HyperparameterUnknown, match="learning_rate"):
        checked_hyperparameters({"learning_rate": 0.1})
    assert checked_hyperparameters({"epochs": None, "batchSize": 24.0}) == {"batchSize": 24}


def test_progress_counts_steps_and_epochs_and_keeps_the_last_figures_between_phases() -> None:
    # 10 rows of batches make 4 steps an epoch; step 6 of 10 lies in epoch 2 of 3 (the third is cut short).
    step = {
        "phase": "training",
        "step": 6,
        "totalSteps": 10,
        "epoch": 1.5,
        "loss": 0.7,
        "learningRate": 1e-3,
        "gradientNorm": 0.2,
        "stepS": 0.01,
        "validationLoss": 0.9,
    }
    progress = progress_of(step, progress_of({"phase": "loading"}, None))
    assert (progress["currentStep"], progress["totalSteps"]) == (6, 10)
    assert (progress["currentEpoch"], progress["totalEpochs"]) == (2, 3)
    assert (progress["trainingLoss"], progress["validationLoss"]) == (0.7, 0.9)
    later = progress_of({"phase": "exporting"}, progress)
    assert later == {**progress, "phase": "exporting"}


def test_logs_are_bounded_and_keep_the_newest() -> None:
    logs: list[Any] = []
    for number in range(MAX_LOGS + 5):
        logs = with_log(logs, {"message": str(number)})
    assert len(logs) == MAX_LOGS
    assert logs[-1] == {"message": str(MAX_LOGS + 4)}
