"""The loop on a tiny model. That a stopped and resumed run ends in the same bits is the property everything serves."""

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shifty_trainer import whole_directory
from shifty_trainer.checkpoints import CheckpointDirectory, Identity
from shifty_trainer.encoder import Encoder
from shifty_trainer.job import Hyperparameters
from shifty_trainer.lora import WEIGHTS_NAME, Adapter
from shifty_trainer.recipe import Plan, plan
from shifty_trainer.refusals import LossNotFinite, NoSpaceLeft
from shifty_trainer.reporting import Kind
from shifty_trainer.training import AdapterTraining, Material, StopRequested
from tests.trainer.conftest import LABELS, Messages, sample_rows

IDENTITY = Identity(config_sha256="c", dataset_sha256="d")
SEED = 5


class Bench:
    """One training with everything around it, built anew for each run as a new process would."""

    def __init__(self, base_model: Path, directory: Path, made: Plan) -> None:
        rows = sample_rows()
        rows = rows[rows.split != "test"]
        self.messages = Messages()
        self.encoder = Encoder.load(base_model, adapted_layer_count=3, device=torch.device("cpu"))
        torch.manual_seed(SEED)
        self.adapter = Adapter.attach(self.encoder, made.recipe)
        material = Material(
            lower=self.encoder.lower_states(list(rows.text), max_tokens=40),
            label_ids=np.array([LABELS.index(label) for label in rows.label]),
            train=np.flatnonzero(rows.split == "train"),
            validation=np.flatnonzero(rows.split == "validation"),
        )
        self.training = AdapterTraining(self.encoder, self.adapter, material, made, seed=SEED, reporter=self.messages)
        self.checkpoints = CheckpointDirectory(directory, identity=IDENTITY, keep=3)

    def run(self, *, stop: Callable[[], bool] = lambda: False, every_steps: int = 7) -> "Bench":
        self.training.run(self.checkpoints, every_steps=every_steps, is_stop_requested=stop)
        return self

    def steps(self) -> list[int]:
        return [body["step"] for body in self.messages.of(Kind.PROGRESS)]

    def sha256(self) -> str:
        return hashlib.sha256(self.adapter.files(base_id="tiny")[WEIGHTS_NAME]).hexdigest()


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(base_model: Path, tmp_path: Path) -> MakeBench:
    def make(name: str = "checkpoints", made: Plan | None = None) -> Bench:
        default = plan(Hyperparameters(epochs=12, batch_size=18), train_row_count=36, label_count=3)
        return Bench(base_model, tmp_path / name, made or default)

    return make


def stopping_after(step: int, bench: Bench) -> Callable[[], bool]:
    return lambda: bench.training.progress.step >= step


def test_training_lowers_the_loss(bench: MakeBench) -> None:
    given = Hyperparameters(epochs=30, batch_size=18, learning_rate=0.05)
    done = bench(made=plan(given, train_row_count=36, label_count=3)).run()

    losses = [body["loss"] for body in done.messages.of(Kind.PROGRESS)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.2


@pytest.mark.parametrize("stop_at", [0, 1, 7, 13, 23])
def test_stopped_and_resumed_it_ends_in_the_same_bits(bench: MakeBench, stop_at: int) -> None:
    straight = bench("straight").run()
    first = bench("resumed")
    with pytest.raises(StopRequested) as stopped:
        first.run(stop=stopping_after(stop_at, first))
    second = bench("resumed").run()

    assert stopped.value.saved.step == stop_at
    assert second.training.resumed_from_step == stop_at
    assert second.steps() == list(range(stop_at + 1, 25))
    assert second.sha256() == straight.sha256()
    assert second.training.progress == straight.training.progress


def test_a_killed_run_goes_on_from_its_newest_whole_checkpoint(bench: MakeBench) -> None:
    straight = bench("straight").run()
    first = bench("killed").run()
    for name in ("step-00000024", "step-00000021"):
        broken = first.checkpoints.path / name / "tensors.safetensors"
        broken.write_bytes(broken.read_bytes()[:-9])

    second = bench("killed").run()

    assert second.training.resumed_from_step == 14
    assert second.sha256() == straight.sha256()
    skipped = [body["fields"] for body in second.messages.of(Kind.LOG) if body["event"] == "trainer.checkpoint_skipped"]
    assert [fields["checkpoint"] for fields in skipped] == ["step-00000024", "step-00000021"]


def test_another_seed_orders_the_rows_otherwise(bench: MakeBench) -> None:
    first = bench("a").run()
    other = bench("b")  # begins with the same adapter and generator
    other.training._seed = SEED + 1

    assert other.run().sha256() != first.sha256()


def test_a_checkpoint_is_reported_when_it_is_whole(bench: MakeBench) -> None:
    done = bench().run()

    reported = done.messages.of(Kind.CHECKPOINT)

    assert [body["step"] for body in reported] == [7, 14, 21, 24]  # the last state too, for what comes after it
    manifest = whole_directory.read_whole(Path(reported[-1]["path"]))
    assert (manifest.sha256, manifest.files) == (reported[-1]["manifestSha256"], reported[-1]["files"])


def test_the_adapter_of_the_least_validation_loss_is_kept(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0])
    run = bench()
    weights_at = {}

    def validation_loss() -> float:
        weights_at[run.training.progress.step] = run.adapter.weights()
        return next(losses)

    monkeypatch.setattr(run.training, "_validation_loss", validation_loss)
    run.run()

    assert list(weights_at) == [10, 20, 24]
    assert run.training.progress.best_step == 20
    assert all(torch.equal(value, weights_at[20][name]) for name, value in run.adapter.weights().items())


def test_training_stops_when_validation_no_longer_improves(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(Hyperparameters(epochs=50, batch_size=18), train_row_count=36, label_count=3)
    run = bench(made=made)
    losses = iter([2.0, 1.0, 1.5, 0.9, 1.0, 0.95, 0.9, 0.1])
    monkeypatch.setattr(run.training, "_validation_loss", lambda: next(losses))
    run.run()

    progress = run.training.progress
    assert (progress.step, progress.best_step, progress.is_stopped_early) == (70, 40, True)


def test_a_resumed_run_remembers_its_patience(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(Hyperparameters(epochs=50, batch_size=18), train_row_count=36, label_count=3)
    first = bench(made=made)
    losses = iter([1.0, 2.0, 2.0])
    monkeypatch.setattr(first.training, "_validation_loss", lambda: next(losses))
    with pytest.raises(StopRequested):
        first.run(stop=stopping_after(35, first))
    second = bench(made=made)
    monkeypatch.setattr(second.training, "_validation_loss", lambda: 2.0)
    second.run()

    assert (second.training.progress.step, second.training.progress.best_step) == (40, 10)


def test_a_run_whose_last_step_is_saved_anyway_saves_it_once(bench: MakeBench) -> None:
    done = bench().run(every_steps=8)
    again = bench().run(every_steps=8)

    assert [body["step"] for body in done.messages.of(Kind.CHECKPOINT)] == [8, 16, 24]
    assert again.messages.of(Kind.CHECKPOINT) == []


def test_an_unjudged_run_takes_the_same_steps_as_a_judged_one_that_keeps_its_last(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = bench("judged")
    losses = iter([3.0, 2.0, 1.0])
    monkeypatch.setattr(judged.training, "_validation_loss", lambda: next(losses))
    judged.run()
    earlier = judged.checkpoints.saved(24)
    unjudged = bench("unjudged")

    unjudged.training.run_unjudged(earlier, is_stop_requested=lambda: False)

    assert unjudged.sha256() == judged.sha256()
    assert unjudged.messages.of(Kind.CHECKPOINT) == []


def test_an_unjudged_run_that_is_stopped_names_the_checkpoint_before_it(bench: MakeBench) -> None:
    earlier = bench("earlier").run().checkpoints.saved(24)
    run = bench()
    asked = iter([False] * 5 + [True])

    with pytest.raises(StopRequested) as stopped:
        run.training.run_unjudged(earlier, is_stop_requested=lambda: next(asked))

    assert stopped.value.saved == earlier


def test_a_stopped_early_run_does_not_go_on_when_started_again(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(Hyperparameters(epochs=50, batch_size=18), train_row_count=36, label_count=3)
    first = bench(made=made)
    monkeypatch.setattr(first.training, "_validation_loss", lambda: 1.0)
    first.run(every_steps=10)
    second = bench(made=made).run()

    assert first.training.progress.step == 40
    assert second.steps() == []
    assert second.sha256() == first.sha256()


def test_an_accumulated_gradient_is_the_mean_of_its_batches(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = bench()
    run.adapter.train(is_training=False)  # without dropout the same batch has the same gradient
    batch = np.arange(18) * 2

    norms = []
    for batches in ([batch], [batch, batch]):
        monkeypatch.setattr(run.training, "_batches_of", lambda _, batches=batches: batches)
        norms.append(run.training._optimise(1, 0.0)[1])

    assert norms[0] > 0
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)


@pytest.mark.parametrize("accumulated", [1, 2])
def test_accumulated_batches_are_one_step(bench: MakeBench, accumulated: int) -> None:
    given = Hyperparameters(epochs=3, batch_size=9, gradient_accumulation_steps=accumulated)
    done = bench(made=plan(given, train_row_count=36, label_count=3)).run()

    assert done.steps() == list(range(1, 12 // accumulated + 1))


def test_the_learning_rate_follows_the_plan(bench: MakeBench) -> None:
    given = Hyperparameters(epochs=3, batch_size=18, warmup_steps=4, learning_rate=0.01)
    done = bench(made=plan(given, train_row_count=36, label_count=3)).run()

    rates = [body["learningRate"] for body in done.messages.of(Kind.PROGRESS)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])


def test_the_optimiser_uses_the_rate_that_is_reported(bench: MakeBench) -> None:
    given = Hyperparameters(epochs=3, batch_size=18, warmup_steps=4, learning_rate=0.01)
    run = bench(made=plan(given, train_row_count=36, label_count=3))
    with pytest.raises(StopRequested):
        run.run(stop=stopping_after(2, run))

    assert run.training._optimizer.param_groups[0]["lr"] == 0.005


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bench()
    honest = run.training._loss

    def poisoned(positions: np.ndarray) -> torch.Tensor:
        loss = honest(positions)
        return loss * torch.nan if run.training.progress.step == 8 else loss

    monkeypatch.setattr(run.training, "_loss", poisoned)
    with pytest.raises(LossNotFinite, match=r"the loss is nan at step 9 with learning rate 0\.001") as refusal:
        run.run()

    assert "learningRate" in refusal.value.message
    found, _ = run.checkpoints.newest_whole()
    assert found is not None
    assert found.step == 7


def test_a_validation_loss_that_is_no_number_stops_the_run(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = bench()
    monkeypatch.setattr(run.training, "_validation_loss", lambda: float("nan"))

    with pytest.raises(LossNotFinite, match="the validation loss is nan at step 10"):
        run.run()


def test_validation_rows_without_a_pair_stop_nothing_early(bench: MakeBench) -> None:
    made = plan(Hyperparameters(epochs=30, batch_size=18), train_row_count=36, label_count=3)
    run = bench(made=made)
    one_of_each = run.training._material.validation[::4]
    run.training._material = replace(run.training._material, validation=one_of_each)
    run.training._validation = one_of_each
    run.run()

    assert not run.training._material.can_judge
    assert (run.training.progress.step, run.training.progress.best_step) == (60, 60)


def test_a_gradient_that_is_infinite_stops_the_run(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = bench()
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(torch.inf))

    with pytest.raises(LossNotFinite, match="the gradient norm is inf at step 1"):
        run.run()


def test_a_full_disk_stops_the_run_with_the_earlier_checkpoint_whole(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bench()
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if run.training.progress.step == 14:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(NoSpaceLeft):
        run.run()

    assert [path.name for path in run.checkpoints.path.iterdir()] == ["step-00000007"]
    found, _ = run.checkpoints.newest_whole()
    assert found is not None
    assert found.step == 7


def test_the_validation_rows_of_a_large_set_are_capped(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shifty_trainer.training.MAX_VALIDATION_ROWS", 5)

    assert len(bench().training._validation) == 5
