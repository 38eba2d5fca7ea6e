"""The command line, inside this process: exit codes and last words."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shifty_trainer.run
from shifty_trainer.__main__ import main
from shifty_trainer.refusals import ExitCode
from tests.trainer.conftest import sample_rows

JobFile = Callable[..., Path]
SECRET = "nightingale"


@pytest.fixture(autouse=True)
def process_state_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_CACHE", "TOKENIZERS_PARALLELISM", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def messages(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_job_from_a_file_ends_with_its_result(job_file: JobFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--job", str(job_file())]) is ExitCode.DONE

    sent = messages(capsys)
    assert sent[-1]["kind"] == "result"
    assert {message["schema"] for message in sent} == {"shifty.trainer/1"}
    assert {(message["jobId"], message["attempt"], message["fencingToken"]) for message in sent} == {("job-1", 2, 7)}
    steps = [message for message in sent if message["kind"] == "progress" and "step" in message]
    assert [step["step"] for step in steps] == list(range(1, 9))
    assert set(steps[0]) >= {"totalSteps", "epoch", "loss", "learningRate", "gradientNorm", "stepS"}


@pytest.mark.parametrize(
    ("changes", "code", "exit_code"),
    [
        pytest.param({"kind": "full"}, "trainer.job_invalid", ExitCode.JOB_REFUSED, id="kind"),
        pytest.param(
            {"hyperparameters": {"loraRank": 2}},
            "trainer.hyperparameter_invalid",
            ExitCode.JOB_REFUSED,
            id="hyperparameter",
        ),
        pytest.param({"dataset": "x"}, "trainer.dataset_unreadable", ExitCode.DATA_REFUSED, id="dataset"),
        pytest.param(
            {"baseModel": {"path": "/nowhere"}}, "trainer.base_model_missing", ExitCode.MODEL_REFUSED, id="base model"
        ),
    ],
)
def test_a_refusal_is_the_last_word_and_the_exit_code(
    job_file: JobFile, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], code: str, exit_code: ExitCode
) -> None:
    path = job_file(**changes)
    assert main(["--job", str(path)]) is exit_code

    last = messages(capsys)[-1]
    assert (last["kind"], last["code"], last["exitCode"]) == ("refusal", code, int(exit_code))
    assert last["message"]
    assert not (path.with_suffix("") / "output").exists()


def test_a_bug_is_reported_by_place_and_never_by_value(
    job_file: JobFile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(f"a library quotes {SECRET}")

    monkeypatch.setattr(shifty_trainer.run, "load_rows", broken)
    assert main(["--job", str(job_file())]) is ExitCode.CRASHED

    captured = capsys.readouterr()
    last = json.loads(captured.out.splitlines()[-1])
    assert (last["kind"], last["error"]) == ("crash", "KeyError")
    assert last["places"][-1].startswith("test_main.py:")
    assert SECRET not in captured.out + captured.err


def test_a_vanished_parent_means_not_to_begin(job_file: JobFile, capsys: pytest.CaptureFixture[str]) -> None:
    # the parent of this test is not process 999999; prctl is undone right after
    from shifty_trainer import parent

    assert main(["--job", str(job_file(parentPid=999_999))]) is ExitCode.ORPHANED

    assert messages(capsys) == []
    parent.ctypes.CDLL(None).prctl(parent.PR_SET_PDEATHSIG, 0, 0, 0, 0)


def test_sigterm_saves_at_the_next_step_and_the_next_start_goes_on(
    job_file: JobFile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from shifty_trainer import training

    honest = training.AdapterTraining._optimise

    def interrupted(self: training.AdapterTraining, step: int, learning_rate: float) -> tuple[float, float]:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(self, step, learning_rate)

    path = job_file()
    with monkeypatch.context() as patched:
        patched.setattr(training.AdapterTraining, "_optimise", interrupted)
        assert main(["--job", str(path)]) is ExitCode.STOPPED
    stopped = messages(capsys)
    assert main(["--job", str(path)]) is ExitCode.DONE
    resumed = messages(capsys)

    assert (stopped[-1]["kind"], stopped[-1]["step"]) == ("stopped", 3)
    assert stopped[-2]["kind"] == "checkpoint"
    assert next(message["step"] for message in resumed if message["kind"] == "progress" and "step" in message) == 4
    assert resumed[-1]["training"]["resumedFromStep"] == 3


def test_without_a_job_it_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])

    assert "--job FILE" in capsys.readouterr().err


def test_no_message_repeats_a_text(job_file: JobFile, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sample_rows()
    rows["text"] = [f"{text} {SECRET}" for text in rows.text]
    assert main(["--job", str(job_file(rows))]) is ExitCode.DONE

    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err
