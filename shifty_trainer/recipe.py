"""The measured recipe for small-text classification, as data, and what a job's own hyperparameters make of it.

Measured on five projects' issue reports, 300 rows each, five folds (bench/issue_reports.py). The defaults of
full fine-tuning (learning rate 2e-5, 100 warm-up steps) train nothing in the 45 steps such a dataset gives.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from shifty_trainer.job import Hyperparameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every number that shapes a fit. The defaults are the measured ones."""

    # optimiser: AdamW, linear warm-up, then constant
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.10
    clip_norm: float = 1.0
    # length: 10 epochs of 240 rows in batches of 24 are 100 steps; fewer rows still get 100 steps
    epochs: int = 10
    minimum_steps: int = 100
    batch_size: int = 24
    gradient_accumulation_steps: int = 1
    # Early stopping: the contrastive loss of the validation rows, each epoch but not oftener than every 10 steps. On
    # 11 splits of 240 other texts (short reviews, 600 test rows each; never the issue reports) the step of least
    # validation loss was +0.6 points of macro F1 above the last step of 100 and +2.6 above the last of 180; choosing by
    # the refitted head's validation macro F1 cost 2 points, since 36 rows tie and jump.
    # Then the adapter begins anew on training and validation rows for as many steps as were best (Goodfellow, Bengio &
    # Courville 2016, algorithm 7.2): with 240 answers the 36 that chose the step are too many to leave unlearnt.
    refits_on_validation: bool = True
    patience: int = 3
    least_steps_between_evaluations: int = 10
    # loss
    temperature: float = 0.1
    # adapter: query and value of the upper layers
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    adapted_layers: int = 3
    # texts
    train_tokens: int = 96
    head_tokens: int = 256
    # head: logistic regression on the adapted embeddings; any C from 0.1 to 30 measured within half a point
    head_c: float = 3.0


MEASURED = Recipe()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe fitted to a number of rows."""

    recipe: Recipe
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    warnings: tuple[str, ...] = ()

    @property
    def steps_between_evaluations(self) -> int:
        """How often the validation loss is taken."""
        return max(self.steps_per_epoch, self.recipe.least_steps_between_evaluations)

    def learning_rate_at(self, step: int) -> float:
        """The rate of optimiser step `step` (1 is the first): linear up to the full rate, then constant."""
        share = 1.0 if self.warmup_steps == 0 else min(1.0, step / self.warmup_steps)
        return self.recipe.learning_rate * share

    def refit(self, *, row_count: int, steps: int) -> "Plan":
        """The same recipe for `steps` steps on `row_count` rows, with the same warm-up."""
        batches = math.ceil(row_count / self.recipe.batch_size)
        steps_per_epoch = math.ceil(batches / self.recipe.gradient_accumulation_steps)
        return replace(self, steps_per_epoch=steps_per_epoch, total_steps=steps)

    def as_facts(self) -> dict[str, Any]:
        """What a manifest and a report say about the plan."""
        return {**asdict(self.recipe), "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


def plan(given: Hyperparameters, *, train_row_count: int, label_count: int) -> Plan:
    """The measured recipe with the given hyperparameters obeyed, sized for `train_row_count` rows.

    A given `epochs` is obeyed exactly, so there is no second fit; without one a small dataset runs on to
    `minimum_steps`. A warm-up longer than the run is obeyed too, with a warning: the full learning rate is then never
    reached.
    """
    recipe = _obeying(given)
    recipe = replace(recipe, refits_on_validation=recipe.refits_on_validation and given.epochs is None)
    batches = math.ceil(train_row_count / recipe.batch_size)
    steps_per_epoch = math.ceil(batches / recipe.gradient_accumulation_steps)
    total_steps = recipe.epochs * steps_per_epoch
    if given.epochs is None:
        total_steps = max(total_steps, recipe.minimum_steps)
    warmup_steps = given.warmup_steps
    if warmup_steps is None:
        warmup_steps = round(recipe.warmup_share * total_steps)
    return Plan(
        recipe=recipe,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        warnings=_warnings(recipe, total_steps=total_steps, warmup_steps=warmup_steps, label_count=label_count),
    )


def _obeying(given: Hyperparameters) -> Recipe:
    insisted = {name: value for name, value in asdict(given).items() if value is not None and name != "warmup_steps"}
    return replace(MEASURED, **insisted)


def _warnings(recipe: Recipe, *, total_steps: int, warmup_steps: int, label_count: int) -> tuple[str, ...]:
    warnings = []
    if warmup_steps > total_steps:
        peak = recipe.learning_rate * total_steps / warmup_steps
        warnings.append(
            f"warmupSteps {warmup_steps} exceeds the {total_steps} steps of this run: the learning rate ends at "
            f"{peak:.3g} and never reaches {recipe.learning_rate:g}. Give fewer warm-up steps or more epochs."
        )
    if recipe.batch_size < 2 * label_count:
        warnings.append(
            f"batchSize {recipe.batch_size} cannot hold two rows of each of {label_count} labels: a row without a "
            f"second one of its label in the batch teaches nothing. Give at least {2 * label_count}."
        )
    return tuple(warnings)
