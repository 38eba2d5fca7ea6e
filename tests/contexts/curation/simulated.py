"""Votes of simulated labelers with known truths, for laws that no public set can check."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.votes import Votes


def simulated_votes(
    rng: np.random.Generator, *, items: int, per_item: int, accuracy: list[float], classes: int
) -> tuple[Votes, IntArray]:
    """`per_item` distinct labelers per item, each right with their own accuracy and wrong evenly; votes and truths."""
    truth = rng.integers(0, classes, items)
    who = np.argsort(rng.random((items, len(accuracy))), axis=1)[:, :per_item]
    who.sort(axis=1)
    is_right = rng.random(who.shape) < np.array(accuracy)[who]
    wrong = (truth[:, None] + rng.integers(1, classes, who.shape)) % classes
    votes = Votes(
        items=tuple(f"{i:06}" for i in range(items)),
        labelers=tuple(f"{w:04}" for w in range(len(accuracy))),
        labels=tuple(f"{k}" for k in range(classes)),
        item_index=np.repeat(np.arange(items), per_item).astype(np.int32),
        labeler_index=who.ravel().astype(np.int32),
        label_index=np.where(is_right, truth[:, None], wrong).ravel().astype(np.int8),
    )
    return votes, truth
