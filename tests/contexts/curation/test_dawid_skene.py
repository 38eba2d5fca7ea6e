import time
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.consensus import Consensus, expected_accuracy, labeler_accuracy
from shifty_pipelines.contexts.curation.domain.dawid_skene import (
    DAWID_SKENE,
    PLAIN_PSEUDO_COUNT,
    POOLED_DAWID_SKENE,
    dawid_skene,
    pooled_dawid_skene,
)
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import CLASS_PRIOR_PSEUDO_COUNT, Stop
from shifty_pipelines.contexts.curation.domain.majority import majority_posterior
from shifty_pipelines.contexts.curation.domain.one_coin import one_coin
from shifty_pipelines.contexts.curation.domain.votes import collect_votes
from tests.contexts.curation.anaesthetists import CLASS_MARGINALS, ERROR_RATES, UNCERTAIN_PATIENTS, anaesthetists
from tests.contexts.curation.simulated import simulated_votes

#: Its keyword arguments differ from one to the next.
Aggregate = Callable[..., Consensus]

AGGREGATORS = [
    pytest.param(dawid_skene, id="plain"),
    pytest.param(pooled_dawid_skene, id="pooled"),
    pytest.param(one_coin, id="one-coin"),
]

raw_votes = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("wxyz"), st.sampled_from(["p", "q", "r"])),
    min_size=1,
    max_size=60,
)


# ------------------------------------------------------------------------------------------ published reference values


def test_plain_dawid_skene_gives_the_published_class_marginals() -> None:
    fitted = dawid_skene(anaesthetists(), stop=Stop(tolerance=1e-6))

    assert fitted.class_prior == pytest.approx(CLASS_MARGINALS, abs=0.006)  # published to two digits


def test_plain_dawid_skene_gives_the_published_error_rates() -> None:
    fitted = dawid_skene(anaesthetists(), stop=Stop(tolerance=1e-6))

    # Two digits, and a hundredth of a vote per cell, which weighs most on class 4 with its three patients.
    assert fitted.confusion == pytest.approx(ERROR_RATES, abs=0.013)


@pytest.mark.parametrize(("patient", "published"), UNCERTAIN_PATIENTS.items())
def test_plain_dawid_skene_gives_the_published_doubts(patient: int, published: float) -> None:
    fitted = dawid_skene(anaesthetists(), stop=Stop(tolerance=1e-6))

    assert fitted.posterior[patient - 1] == pytest.approx(published, abs=0.01)


def test_plain_dawid_skene_is_certain_of_the_patients_the_paper_is_certain_of() -> None:
    fitted = dawid_skene(anaesthetists(), stop=Stop(tolerance=1e-6))

    certain = [n for n in range(1, 46) if n not in UNCERTAIN_PATIENTS]
    assert fitted.posterior[np.array(certain) - 1].max(axis=1).min() > 0.985


# ---------------------------------------------------------------------------------------------------------------- laws


def test_the_penalised_likelihood_of_plain_dawid_skene_never_falls() -> None:
    """EM's law, with the pseudo-counts as Dirichlet priors (Dempster, Laird & Rubin 1977, section 2)."""
    votes = anaesthetists()

    def objective(rounds: int) -> float:
        fitted = dawid_skene(votes, stop=Stop(max_iterations=rounds, tolerance=0))
        return (
            fitted.log_likelihood
            + PLAIN_PSEUDO_COUNT * np.log(fitted.confusion).sum()
            + CLASS_PRIOR_PSEUDO_COUNT * np.log(fitted.class_prior).sum()
        )

    path = [objective(rounds) for rounds in range(15)]
    assert np.diff(path).min() >= -1e-9
    assert path[-1] > path[0] + 1


@pytest.mark.parametrize("aggregate", AGGREGATORS)
@given(rows=raw_votes, random=st.randoms())
@settings(max_examples=40)
def test_the_order_of_the_votes_does_not_matter(
    aggregate: Aggregate, rows: list[tuple[str, str, str]], random: Random
) -> None:
    votes, _ = collect_votes(rows, ["p", "q", "r"])
    shuffled, _ = collect_votes(random.sample(rows, len(rows)), ["p", "q", "r"])

    assert np.array_equal(aggregate(votes).posterior, aggregate(shuffled).posterior)


@pytest.mark.parametrize("aggregate", AGGREGATORS)
@given(rows=raw_votes)
@settings(max_examples=40)
def test_posteriors_and_matrices_are_probabilities(aggregate: Aggregate, rows: list[tuple[str, str, str]]) -> None:
    votes, _ = collect_votes(rows, ["p", "q", "r"])

    fitted = aggregate(votes)

    assert fitted.posterior.shape == (votes.n_items, 3)
    assert fitted.confusion.shape == (votes.n_labelers, 3, 3)
    for part in (fitted.posterior, fitted.confusion, fitted.class_prior):
        assert part.sum(axis=-1) == pytest.approx(1)
        assert part.min() >= 0
    assert np.isfinite(fitted.log_likelihood)


@pytest.mark.parametrize("aggregate", AGGREGATORS)
def test_renaming_the_classes_renames_the_answer(aggregate: Aggregate) -> None:
    votes, _ = simulated_votes(
        np.random.default_rng(3), items=60, per_item=3, accuracy=[0.9, 0.8, 0.7, 0.6, 0.5], classes=3
    )
    rows = [
        (str(i), str(w), str(k))
        for i, w, k in zip(votes.item_index, votes.labeler_index, votes.label_index, strict=True)
    ]
    forward, _ = collect_votes(rows, ["0", "1", "2"])
    backward, _ = collect_votes(rows, ["2", "1", "0"])

    assert aggregate(forward).posterior == pytest.approx(aggregate(backward).posterior[:, ::-1], abs=1e-9)


@pytest.mark.parametrize("aggregate", AGGREGATORS)
def test_a_known_truth_is_never_voted_away_and_teaches_who_is_right(aggregate: Aggregate) -> None:
    rows = [(f"{n}", who, "a") for n in range(10) for who in ("liar 1", "liar 2")]
    rows += [(f"{n}", "expert", "b") for n in range(10)]
    votes, _ = collect_votes(rows, ["a", "b"])
    truths = np.array([1] * 9 + [-1])

    fitted = aggregate(votes, truths=truths)

    assert fitted.posterior[:9].tolist() == [[0.0, 1.0]] * 9
    assert fitted.posterior[9, 1] > 0.9  # two liars against one expert, by what gold taught
    assert aggregate(votes).posterior[9, 1] < 0.5
    expert, *liars = labeler_accuracy(fitted)
    assert expert > 0.8
    assert max(liars) < 0.3


@pytest.mark.parametrize("aggregate", AGGREGATORS)
def test_no_votes_give_an_empty_consensus(aggregate: Aggregate) -> None:
    votes, _ = collect_votes([], ["a", "b"])

    fitted = aggregate(votes)

    assert fitted.posterior.shape == (0, 2)
    assert fitted.log_likelihood == 0


def test_skills_of_simulated_labelers_are_recovered() -> None:
    accuracy = [0.95, 0.85, 0.75, 0.65, 0.55]
    votes, truth = simulated_votes(np.random.default_rng(7), items=4000, per_item=5, accuracy=accuracy, classes=4)

    for fitted in (dawid_skene(votes), pooled_dawid_skene(votes), one_coin(votes)):
        assert labeler_accuracy(fitted) == pytest.approx(accuracy, abs=0.03)
        assert expected_accuracy(fitted.posterior, truth) > expected_accuracy(majority_posterior(votes), truth)


# ------------------------------------------------------------------------------------------------------------- pooling


def test_a_labeler_with_one_vote_looks_like_everybody_and_one_with_many_like_herself() -> None:
    accuracy = [0.9] * 9 + [0.3]
    votes, _ = simulated_votes(np.random.default_rng(1), items=500, per_item=10, accuracy=accuracy, classes=3)
    rows = [
        (str(i), str(w), str(k))
        for i, w, k in zip(votes.item_index, votes.labeler_index, votes.label_index, strict=True)
    ]
    votes, _ = collect_votes([*rows, ("0", "newcomer", rows[0][2])], ["0", "1", "2"])

    skill = dict(zip(votes.labelers, labeler_accuracy(pooled_dawid_skene(votes)), strict=True))

    everybody = np.mean([skill[str(w)] for w in range(10)])
    assert skill["newcomer"] == pytest.approx(everybody, abs=0.1)
    assert skill["9"] == pytest.approx(0.3, abs=0.05)


def test_no_pooling_strength_leaves_plain_dawid_skene() -> None:
    plain = dawid_skene(anaesthetists())
    unpooled = pooled_dawid_skene(anaesthetists(), strength=0)

    assert unpooled.posterior == pytest.approx(plain.posterior, abs=0.02)


def test_a_huge_pooling_strength_gives_everybody_the_same_matrix() -> None:
    confusion = pooled_dawid_skene(anaesthetists(), strength=1e9).confusion

    assert np.ptp(confusion, axis=0).max() < 1e-6


def test_results_carry_the_name_and_version_of_their_algorithm() -> None:
    votes = anaesthetists()

    assert dawid_skene(votes).algorithm == DAWID_SKENE
    assert pooled_dawid_skene(votes).algorithm == POOLED_DAWID_SKENE


def test_stopping_early_is_told() -> None:
    rushed = dawid_skene(anaesthetists(), stop=Stop(max_iterations=3))
    settled = dawid_skene(anaesthetists())

    assert (rushed.iterations, rushed.converged) == (3, False)
    assert settled.converged
    assert settled.iterations < 100


def test_hundreds_of_votes_on_one_item_do_not_underflow() -> None:
    rows = [("i", f"labeler {n}", "a") for n in range(900)] + [("i", f"other {n}", "b") for n in range(600)]

    votes, _ = collect_votes(rows, ["a", "b"])

    # With one matrix for all, every answer has a probability near a half: together 2 ** -1500, which no float holds.
    assert pooled_dawid_skene(votes, strength=1e9).posterior[0] == pytest.approx([0.6, 0.4], abs=0.1)


def test_a_million_votes_are_aggregated_in_seconds() -> None:
    """One second is measured by bench/consensus.py on an idle machine; this bound only catches a loop over votes."""
    votes, truth = simulated_votes(np.random.default_rng(0), items=20_000, per_item=50, accuracy=[0.6] * 200, classes=5)
    started_at_s = time.perf_counter()

    fitted = pooled_dawid_skene(votes, stop=Stop(max_iterations=10, tolerance=0))

    assert time.perf_counter() - started_at_s < 10
    assert expected_accuracy(fitted.posterior, truth) > 0.99
