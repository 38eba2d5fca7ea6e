"""The training loop of the adapter: resumable at every checkpoint to the same bits, on the same machine.

What decides a step is the seed, the step's number and the checkpointed state: batches come from a generator seeded by
(seed, epoch), the learning rate is a function of the step, dropout draws from torch's generator, whose state is saved.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from shifty_trainer.checkpoints import Checkpoint, CheckpointDirectory, SavedCheckpoint
from shifty_trainer.contrastive import interleaved_batches, supervised_contrastive_loss
from shifty_trainer.encoder import Encoder, LowerStates
from shifty_trainer.lora import Adapter
from shifty_trainer.recipe import Plan
from shifty_trainer.refusals import LossNotFinite
from shifty_trainer.reporting import Kind, Reporter, log
from shifty_trainer.whole_directory import NotWhole

ADAPTER_PREFIX = "adapter."
BEST_PREFIX = "best."
MOMENTS_PREFIX = "moments."
CPU_GENERATOR = "generator.cpu"
CUDA_GENERATOR = "generator.cuda"

# The validation loss compares every row with every other; 2,000 rows are 16 MB of similarities and enough to stop by.
MAX_VALIDATION_ROWS = 2000


class StopRequested(Exception):
    """SIGTERM came; a checkpoint of the last whole step lies on the disk."""

    def __init__(self, saved: SavedCheckpoint) -> None:
        super().__init__(f"stopped at step {saved.step}")
        self.saved = saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the loop trains on: states below the adapted layers, and the row numbers of two splits among them."""

    lower: LowerStates
    label_ids: np.ndarray
    train: np.ndarray
    validation: np.ndarray

    @property
    def can_judge(self) -> bool:
        """Whether two validation rows share a label; without such a pair their loss is 0 whatever is learnt."""
        return len(np.unique(self.label_ids[self.validation])) < len(self.validation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the loop stands after `step` steps. `best_loss` is the least validation loss so far, at `best_step`."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    evaluations_since_best: int = 0
    is_stopped_early: bool = False
    history: tuple[Mapping[str, float], ...] = field(default=())


class AdapterTraining:
    """Trains `adapter` inside `encoder` by `plan`; afterwards the adapter holds the best weights seen."""

    def __init__(
        self, encoder: Encoder, adapter: Adapter, material: Material, plan: Plan, *, seed: int, reporter: Reporter
    ) -> None:
        self._encoder = encoder
        self._adapter = adapter
        self._material = material
        self._plan = plan
        self._seed = seed
        self._reporter = reporter
        self._optimizer = torch.optim.AdamW(
            adapter.parameters, lr=plan.recipe.learning_rate, weight_decay=plan.recipe.weight_decay
        )
        self._best_weights = adapter.weights()
        self._epoch_batches: tuple[int, list[list[np.ndarray]]] = (-1, [])
        shuffled = np.random.default_rng(seed).permutation(material.validation)
        self._validation = np.sort(shuffled[:MAX_VALIDATION_ROWS])
        self.progress = Progress()
        self.resumed_from_step: int | None = None

    def run(
        self, checkpoints: CheckpointDirectory, *, every_steps: int, is_stop_requested: Callable[[], bool]
    ) -> SavedCheckpoint:
        """Train to the end of the plan or until validation no longer improves; the last state is saved.

        Raises:
            StopRequested: at the first step boundary after `is_stop_requested` turned true, checkpoint saved.
            LossNotFinite: the step is undone by not being saved.
            NoSpaceLeft: earlier checkpoints are whole.
        """
        self._resume(checkpoints)
        self._adapter.train(is_training=True)
        while self.progress.step < self._plan.total_steps and not self.progress.is_stopped_early:
            if is_stop_requested():
                raise StopRequested(self._save(checkpoints))
            self._advance()
            if self.progress.step % every_steps == 0:
                self._save(checkpoints)
        saved = self._saved_as_it_is(checkpoints)
        self._adapter.set_weights(self._best_weights)
        self._adapter.train(is_training=False)
        return saved

    def run_unjudged(self, earlier: SavedCheckpoint, *, is_stop_requested: Callable[[], bool]) -> None:
        """Every step of the plan on the training rows, without validation and checkpoints; the last weights stay.

        Args:
            earlier: what a run that is stopped here goes on from.
            is_stop_requested: looked at before each step.

        Raises:
            StopRequested: `earlier` lies on the disk.
            LossNotFinite: as in `run`.
        """
        self._adapter.train(is_training=True)
        for step in range(1, self._plan.total_steps + 1):
            if is_stop_requested():
                raise StopRequested(earlier)
            self._optimise(step, self._plan.learning_rate_at(step))
        self._adapter.train(is_training=False)

    def _advance(self) -> None:
        """One optimiser step, and an evaluation where one is due."""
        started_s = time.monotonic()
        step = self.progress.step + 1
        learning_rate = self._plan.learning_rate_at(step)
        loss, gradient_norm = self._optimise(step, learning_rate)
        self.progress = replace(self.progress, step=step)
        body = {
            "phase": "training",
            "step": step,
            "totalSteps": self._plan.total_steps,
            "epoch": step / self._plan.steps_per_epoch,
            "loss": loss,
            "learningRate": learning_rate,
            "gradientNorm": gradient_norm,
            "stepS": time.monotonic() - started_s,
        }
        if step % self._plan.steps_between_evaluations == 0 or step == self._plan.total_steps:
            body["validationLoss"] = self._evaluate(loss)
        self._reporter.send(Kind.PROGRESS, body)

    def _optimise(self, step: int, learning_rate: float) -> tuple[float, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        batches = self._batches_of(step)
        losses = []
        for batch in batches:
            loss = self._loss(self._material.train[batch])
            losses.append(self._finite("the loss", loss.item(), step, learning_rate))
            (loss / len(batches)).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._adapter.parameters, self._plan.recipe.clip_norm).item()
        self._finite("the gradient norm", norm, step, learning_rate)
        self._optimizer.step()
        return float(np.mean(losses)), norm

    def _loss(self, positions: np.ndarray) -> torch.Tensor:
        embeddings = self._encoder.embed(self._material.lower.batch(positions))
        label_ids = torch.from_numpy(self._material.label_ids[positions]).to(embeddings.device)
        return supervised_contrastive_loss(embeddings, label_ids, temperature=self._plan.recipe.temperature)

    def _batches_of(self, step: int) -> list[np.ndarray]:
        """The batches, as places in the training split, whose gradients make up step `step`."""
        epoch, place = divmod(step - 1, self._plan.steps_per_epoch)
        if self._epoch_batches[0] != epoch:
            recipe = self._plan.recipe
            batches = interleaved_batches(
                self._material.label_ids[self._material.train],
                batch_size=recipe.batch_size,
                rng=np.random.default_rng([self._seed, epoch]),
            )
            size = recipe.gradient_accumulation_steps
            self._epoch_batches = (epoch, [batches[start : start + size] for start in range(0, len(batches), size)])
        return self._epoch_batches[1][place]

    def _evaluate(self, train_loss: float) -> float:
        loss = self._finite(
            "the validation loss", self._validation_loss(), self.progress.step, self._plan.recipe.learning_rate
        )
        entry = {"step": self.progress.step, "trainLoss": train_loss, "validationLoss": loss}
        is_best = loss < self.progress.best_loss or not self._material.can_judge
        if is_best:
            self._best_weights = self._adapter.weights()
        since_best = 0 if is_best else self.progress.evaluations_since_best + 1
        self.progress = replace(
            self.progress,
            best_step=self.progress.step if is_best else self.progress.best_step,
            best_loss=min(loss, self.progress.best_loss),
            evaluations_since_best=since_best,
            is_stopped_early=since_best >= self._plan.recipe.patience,
            history=(*self.progress.history, entry),
        )
        return loss

    def _validation_loss(self) -> float:
        """The contrastive loss of the validation rows as one batch, without dropout."""
        positions = self._validation
        embeddings = torch.from_numpy(self._encoder.embed_all(self._material.lower, positions))
        label_ids = torch.from_numpy(self._material.label_ids[positions])
        loss = supervised_contrastive_loss(embeddings, label_ids, temperature=self._plan.recipe.temperature)
        return float(loss.item())

    def _finite(self, what: str, value: float, step: int, learning_rate: float) -> float:
        if not math.isfinite(value):
            raise LossNotFinite(step=step, what=what, value=value, learning_rate=learning_rate)
        return value

    def _save(self, checkpoints: CheckpointDirectory) -> SavedCheckpoint:
        saved = checkpoints.save(Checkpoint(step=self.progress.step, tensors=self._tensors(), state=self._state()))
        self._reporter.send(
            Kind.CHECKPOINT,
            {
                "step": saved.step,
                "path": str(saved.path),
                "manifestSha256": saved.manifest.sha256,
                "files": dict(saved.manifest.files),
            },
        )
        return saved

    def _saved_as_it_is(self, checkpoints: CheckpointDirectory) -> SavedCheckpoint:
        try:
            return checkpoints.saved(self.progress.step)
        except NotWhole:
            return self._save(checkpoints)

    def _resume(self, checkpoints: CheckpointDirectory) -> None:
        checkpoint, skipped = checkpoints.newest_whole()
        for passed_over in skipped:
            log(
                self._reporter,
                "trainer.checkpoint_skipped",
                level="warning",
                checkpoint=passed_over.name,
                reason=passed_over.reason,
            )
        if checkpoint is not None:
            self._restore(checkpoint)
            self.resumed_from_step = checkpoint.step
            log(self._reporter, "trainer.resumed", step=checkpoint.step)

    def _state(self) -> dict[str, Any]:
        state = asdict(self.progress)
        # JSON has no infinity: before the first evaluation there is no best loss.
        return {**state, "best_loss": None if math.isinf(self.progress.best_loss) else self.progress.best_loss}

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {ADAPTER_PREFIX + name: value for name, value in self._adapter.weights().items()}
        tensors |= {BEST_PREFIX + name: value for name, value in self._best_weights.items()}
        for name, parameter in self._adapter.named_parameters():
            for moment, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"{MOMENTS_PREFIX}{name}:{moment}"] = value.detach().to("cpu", copy=True)
        tensors[CPU_GENERATOR] = torch.get_rng_state()
        if self._encoder.device.type == "cuda":
            tensors[CUDA_GENERATOR] = torch.cuda.get_rng_state(self._encoder.device)
        return tensors

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, tensors = dict(checkpoint.state), checkpoint.tensors
        best_loss = math.inf if state["best_loss"] is None else state["best_loss"]
        self.progress = Progress(**{**state, "best_loss": best_loss, "history": tuple(state["history"])})
        self._adapter.set_weights(_under(ADAPTER_PREFIX, tensors))
        self._best_weights = _under(BEST_PREFIX, tensors)
        moments = _under(MOMENTS_PREFIX, tensors)
        for name, parameter in self._adapter.named_parameters():
            found = {
                key.removeprefix(f"{name}:"): value for key, value in moments.items() if key.startswith(f"{name}:")
            }
            if found:
                # AdamW keeps its step count on the CPU and its moments beside the parameter.
                self._optimizer.state[parameter] = {
                    key: value if key == "step" else value.to(parameter.device) for key, value in found.items()
                }
        torch.set_rng_state(tensors[CPU_GENERATOR])
        if CUDA_GENERATOR in tensors and self._encoder.device.type == "cuda":
            torch.cuda.set_rng_state(tensors[CUDA_GENERATOR], self._encoder.device)


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
