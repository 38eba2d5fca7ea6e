"""Expected losses are worked out by hand from eq. 2 of Khosla et al. (2020)."""

import math

import numpy as np
import pytest
import torch

from shifty_trainer.contrastive import interleaved_batches, supervised_contrastive_loss


def _loss(vectors: list[list[float]], label_ids: list[int], temperature: float) -> float:
    return float(supervised_contrastive_loss(torch.tensor(vectors), torch.tensor(label_ids), temperature=temperature))


def test_two_tight_orthogonal_pairs() -> None:
    # each anchor: its positive at similarity 1, two negatives at 0: -log(e / (e + 2)) = log(1 + 2/e)
    vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]

    assert _loss(vectors, [0, 0, 1, 1], 1.0) == pytest.approx(math.log(1 + 2 / math.e), abs=1e-6)


def test_the_temperature_divides_the_similarities() -> None:
    vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]

    assert _loss(vectors, [0, 0, 1, 1], 0.5) == pytest.approx(math.log(1 + 2 / math.e**2), abs=1e-6)


def test_three_of_one_label_average_over_their_positives() -> None:
    # A=(1,0) B=(0,1) C=(-1,0), one label, t=1. Similarities AB 0, AC -1, BC 0.
    # A: log(1 + 1/e) - (0 - 1)/2; B: log 2; C as A; mean = (2 log(1 + 1/e) + 1 + log 2) / 3
    expected = (2 * math.log(1 + 1 / math.e) + 1 + math.log(2)) / 3

    assert _loss([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0, 0, 0], 1.0) == pytest.approx(expected, abs=1e-6)


def test_a_row_without_a_fellow_is_a_negative_but_no_anchor() -> None:
    # anchors are the first two only: positive at 1, the lone row at 0: log(1 + 1/e)
    vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]

    assert _loss(vectors, [0, 0, 1], 1.0) == pytest.approx(math.log(1 + 1 / math.e), abs=1e-6)


def test_a_batch_without_any_pair_has_no_loss_and_no_gradient() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss = supervised_contrastive_loss(vectors, torch.tensor([0, 1]), temperature=0.1)
    loss.backward()

    assert loss.item() == 0.0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_the_gradient_is_finite_at_a_low_temperature() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    vectors.requires_grad_(requires_grad=True)
    supervised_contrastive_loss(vectors, torch.arange(24) % 3, temperature=0.01).backward()

    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("counts", [[80, 80, 80], [200, 30, 10], [5, 2]])
def test_an_epoch_holds_every_row_once(counts: list[int]) -> None:
    label_ids = np.repeat(np.arange(len(counts)), counts)
    batches = interleaved_batches(label_ids, batch_size=24, rng=np.random.default_rng(0))

    assert sorted(np.concatenate(batches)) == list(range(len(label_ids)))
    assert max(len(batch) for batch in batches) <= 24


def test_every_batch_holds_every_label_in_its_share() -> None:
    label_ids = np.repeat([0, 1, 2], [120, 80, 40])
    batches = interleaved_batches(label_ids, batch_size=24, rng=np.random.default_rng(0))

    assert len(batches) == 10
    for batch in batches:
        assert np.abs(np.bincount(label_ids[batch], minlength=3) - [12, 8, 4]).max() <= 1


def test_no_batch_is_left_with_one_row() -> None:
    batches = interleaved_batches(np.arange(25) % 2, batch_size=24, rng=np.random.default_rng(0))

    assert [len(batch) for batch in batches] == [13, 12]


def test_the_generator_decides_the_batches() -> None:
    label_ids = np.arange(60) % 3

    def epoch(seed: int) -> list[int]:
        batches = interleaved_batches(label_ids, batch_size=24, rng=np.random.default_rng([7, seed]))
        return [int(row) for batch in batches for row in batch]

    assert epoch(0) == epoch(0)
    assert epoch(0) != epoch(1)
