import pytest

from shifty_trainer.job import Hyperparameters
from shifty_trainer.recipe import plan


def test_240_rows_without_hyperparameters_get_the_measured_100_steps() -> None:
    # the measured recipe: AdamW 1e-3, 0.01, warm-up 10 %, 10 epochs of batches of 24, r 8, alpha 16, C 3
    made = plan(Hyperparameters(), train_row_count=240, label_count=3)

    assert (made.total_steps, made.steps_per_epoch, made.warmup_steps) == (100, 10, 10)
    recipe = made.recipe
    assert (recipe.learning_rate, recipe.weight_decay, recipe.clip_norm, recipe.temperature) == (1e-3, 0.01, 1.0, 0.1)
    assert (recipe.lora_rank, recipe.lora_alpha, recipe.lora_dropout, recipe.adapted_layers) == (8, 16, 0.05, 3)
    assert (recipe.train_tokens, recipe.head_tokens, recipe.head_c) == (96, 256, 3.0)
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("row_count", "given", "total_steps"),
    [
        pytest.param(60, Hyperparameters(), 100, id="few rows are gone through more often"),
        pytest.param(480, Hyperparameters(), 200, id="many rows get their ten epochs"),
        pytest.param(60, Hyperparameters(epochs=2), 6, id="given epochs are obeyed"),
        pytest.param(240, Hyperparameters(batch_size=16, epochs=3), 45, id="the earlier defaults' 45 steps"),
        pytest.param(240, Hyperparameters(epochs=1, gradient_accumulation_steps=4), 3, id="4 + 4 + 2 batches"),
    ],
)
def test_the_number_of_steps(row_count: int, given: Hyperparameters, total_steps: int) -> None:
    assert plan(given, train_row_count=row_count, label_count=3).total_steps == total_steps


def test_given_hyperparameters_are_obeyed() -> None:
    given = Hyperparameters(learning_rate=2e-5, batch_size=12, warmup_steps=4, lora_rank=16, lora_alpha=32)
    made = plan(given, train_row_count=240, label_count=3)

    assert made.recipe.learning_rate == 2e-5
    assert (made.recipe.batch_size, made.recipe.lora_rank, made.recipe.lora_alpha) == (12, 16, 32)
    assert made.warmup_steps == 4


def test_the_learning_rate_climbs_linearly_and_stays() -> None:
    made = plan(Hyperparameters(learning_rate=0.01, warmup_steps=4), train_row_count=240, label_count=3)

    assert [made.learning_rate_at(step) for step in (1, 2, 4, 5, 100)] == [0.0025, 0.005, 0.01, 0.01, 0.01]


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    made = plan(Hyperparameters(learning_rate=0.01, warmup_steps=0), train_row_count=240, label_count=3)

    assert made.learning_rate_at(1) == 0.01


def test_a_warm_up_longer_than_the_run_is_obeyed_with_a_warning() -> None:
    given = Hyperparameters(learning_rate=2e-5, warmup_steps=100, batch_size=16, epochs=3)
    made = plan(given, train_row_count=240, label_count=3)

    assert made.learning_rate_at(45) == pytest.approx(2e-5 * 45 / 100)
    assert len(made.warnings) == 1
    assert "warmupSteps 100 exceeds the 45 steps" in made.warnings[0]
    assert "9e-06" in made.warnings[0]


def test_a_batch_too_small_to_contrast_is_warned_of() -> None:
    made = plan(Hyperparameters(batch_size=5), train_row_count=240, label_count=3)

    assert "batchSize 5" in made.warnings[0]
    assert plan(Hyperparameters(batch_size=6), train_row_count=240, label_count=3).warnings == ()
