"""What every aggregator keeps to, whichever it is: the contract of the port."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.aggregators import AGGREGATORS, Aggregator
from shifty_pipelines.contexts.curation.domain.consensus import expected_accuracy
from shifty_pipelines.contexts.curation.domain.votes import RawVote, collect_votes
from tests.contexts.curation.simulated import simulated_votes

LABELS = ("a", "b", "c")

every_aggregator = pytest.mark.parametrize("aggregator", AGGREGATORS.values(), ids=AGGREGATORS.keys())
votes_of_a_crowd = st.lists(
    st.tuples(st.sampled_from("ijklmn"), st.sampled_from("vwxyz"), st.sampled_from(LABELS)), max_size=40
)


@every_aggregator
@settings(max_examples=25, deadline=None)
@given(rows=votes_of_a_crowd, data=st.data())
def test_posteriors_and_confusions_are_distributions_and_truths_are_kept(
    aggregator: Aggregator, rows: list[RawVote], data: st.DataObject
) -> None:
    votes, _ = collect_votes(rows, LABELS)
    truths = np.array(
        data.draw(st.lists(st.integers(-1, 2), min_size=votes.n_items, max_size=votes.n_items)), dtype=np.int64
    )

    fitted = aggregator(votes, truths=truths)

    assert fitted.posterior.shape == (votes.n_items, 3)
    assert fitted.confusion.shape == (votes.n_labelers, 3, 3)
    for distribution in (fitted.posterior, fitted.confusion, fitted.class_prior[None]):
        assert (distribution >= 0).all()
        assert distribution.sum(axis=-1) == pytest.approx(np.ones(distribution.shape[:-1]))
    known = np.flatnonzero(truths >= 0)
    assert (fitted.posterior[known, truths[known]] == pytest.approx(1)) if len(known) else True


@every_aggregator
def test_the_order_in_which_labels_came_changes_no_bit(aggregator: Aggregator) -> None:
    rng = np.random.default_rng(5)
    votes, _ = simulated_votes(rng, items=40, per_item=3, accuracy=[0.9, 0.8, 0.7, 0.6, 0.4], classes=3)
    rows = [
        (votes.items[item], votes.labelers[who], votes.labels[what])
        for item, who, what in zip(votes.item_index, votes.labeler_index, votes.label_index, strict=True)
    ]
    shuffled = random.Random(1).sample(rows, len(rows))

    one, other = (aggregator(collect_votes(each, votes.labels)[0]) for each in (rows, shuffled))

    assert np.array_equal(one.posterior, other.posterior)


@every_aggregator
def test_a_crowd_that_mostly_knows_is_heard(aggregator: Aggregator) -> None:
    """Five of eight labelers, right with 0.8 and else a step off, on four classes in an order or none.

    Even if all errors fell on one other class, a vote would decide 94 % rightly: P(at most 2 of 5 wrong) = 0.942.
    """
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 4, 400)
    rows = [
        (f"{item:04}", f"{who}", str(label if rng.random() < 0.8 else label + (1 if label == 0 else -1)))
        for item, label in enumerate(truth)
        for who in rng.choice(8, 5, replace=False)
    ]
    votes, _ = collect_votes(rows, ["0", "1", "2", "3"])

    assert expected_accuracy(aggregator(votes).posterior, truth) > 0.93


@every_aggregator
def test_a_labeler_who_is_right_is_told_from_one_who_guesses(aggregator: Aggregator) -> None:
    votes, _ = simulated_votes(
        np.random.default_rng(3), items=300, per_item=5, accuracy=[0.95, 0.9, 0.9, 0.85, 1 / 3], classes=3
    )

    hits = np.einsum("wkk->wk", aggregator(votes).confusion).mean(axis=1)

    assert hits[:4].min() > hits[4] + 0.2


@every_aggregator
def test_known_items_teach_who_is_to_be_believed(aggregator: Aggregator) -> None:
    """Two labelers always disagree; on the known items the first is right. Only counting votes learns nothing of it."""
    rows = [(f"{n:02}", who, "a" if (n % 2) == (who == "ann") else "b") for n in range(40) for who in ("ann", "bob")]
    votes, _ = collect_votes(rows, ("a", "b"))
    truth = np.array([votes.labels.index("a" if n % 2 else "b") for n in range(40)])
    truths = np.where(np.arange(40) < 20, truth, -1)

    posterior = aggregator(votes, truths=truths).posterior[20:]

    if aggregator is AGGREGATORS["majority"]:
        assert posterior == pytest.approx(np.full((20, 2), 0.5))
    else:
        assert (posterior.argmax(axis=1) == truth[20:]).all()
