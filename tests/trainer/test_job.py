import math
from pathlib import Path
from typing import Any

import pytest

from shifty_trainer.job import (
    BOUNDS,
    Hyperparameters,
    ModelKind,
    hyperparameters_wire_form,
    parse_hyperparameters,
    parse_job,
    read_job,
)
from shifty_trainer.refusals import ExitCode, HyperparameterInvalid, JobInvalid

SMALLEST = {"jobId": "j", "runDir": "/run", "labels": ["a", "b"], "baseModel": {"path": "/base/minilm"}}


def test_a_smallest_job_gets_its_defaults() -> None:
    job = parse_job(SMALLEST)

    assert job.kind is ModelKind.ADAPTER
    assert job.hyperparameters == Hyperparameters()
    assert job.dataset_path == Path("/run/dataset.parquet")
    assert (job.output_dir, job.checkpoints_dir) == (Path("/run/output"), Path("/run/checkpoints"))
    assert (job.base_id, job.attempt, job.fencing_token, job.parent_pid) == ("minilm", 1, None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("jobId", "", id="empty id"),
        pytest.param("labels", ["bug"], id="one label"),
        pytest.param("labels", ["bug", "bug"], id="a label twice"),
        pytest.param("labels", "bug", id="labels as text"),
        pytest.param("kind", "full", id="unknown kind"),
        pytest.param("device", "tpu", id="unknown device"),
        pytest.param("baseModel", "/base", id="base model as text"),
        pytest.param("baseModel", {"path": "/b", "revision": "x"}, id="unknown field of the base model"),
        pytest.param("dataset", "../other/dataset.parquet", id="a dataset outside the run directory"),
        pytest.param("seed", -1, id="negative seed"),
        pytest.param("threads", 0, id="no thread"),
        pytest.param("attempt", True, id="a boolean for a number"),
        pytest.param("hyperparameters", "x", id="hyperparameters as text"),
        pytest.param("learningRate", 0.1, id="a hyperparameter beside the others' object"),
    ],
)
def test_a_malformed_field_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(JobInvalid) as refusal:
        parse_job({**SMALLEST, field: value})

    assert refusal.value.message.startswith(f"job field {field} is ")
    assert refusal.value.exit_code is ExitCode.JOB_REFUSED


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [  # as the platform's API states them
        ("learningRate", 1e-7, 0.1),
        ("batchSize", 1, 128),
        ("epochs", 1, 100),
        ("warmupSteps", 0, math.inf),
        ("gradientAccumulationSteps", 1, 32),
        ("loraRank", 4, 128),
        ("loraAlpha", 8, 256),
    ],
)
def test_a_hyperparameter_is_accepted_inside_its_range_and_refused_beside_it(
    name: str, smallest: float, largest: float
) -> None:
    inside = [smallest] if math.isinf(largest) else [smallest, largest]
    outside = [smallest - abs(smallest or 1) / 2, largest + largest / 2]

    for value in inside:
        assert hyperparameters_wire_form(parse_hyperparameters({name: value})) == {name: value}
    for value in outside:
        with pytest.raises(HyperparameterInvalid, match=name):
            parse_hyperparameters({name: value})


@pytest.mark.parametrize("value", ["8", True, math.nan, 8.5, [8]])
def test_a_hyperparameter_of_the_wrong_type_is_refused(value: Any) -> None:
    with pytest.raises(HyperparameterInvalid) as refusal:
        parse_hyperparameters({"loraRank": value})

    assert repr(value) in refusal.value.message
    assert "from 4 to 128" in refusal.value.message


def test_true_is_no_epoch() -> None:
    with pytest.raises(HyperparameterInvalid, match="epochs is True"):
        parse_hyperparameters({"epochs": True})


def test_an_unknown_hyperparameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HyperparameterInvalid) as refusal:
        parse_hyperparameters({"learning_rate": 0.001})

    assert "learning_rate" in refusal.value.message
    assert all(bound.name in refusal.value.message for bound in BOUNDS)


def test_a_null_hyperparameter_counts_as_absent() -> None:
    assert parse_hyperparameters({"epochs": None}) == Hyperparameters()


@pytest.mark.parametrize("content", ["{", "[]", None])
def test_a_job_file_that_is_no_json_object_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "job.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(JobInvalid):
        read_job(path)
