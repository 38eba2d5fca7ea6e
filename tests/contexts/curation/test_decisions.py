"""Who decides what an item is, and who stands for equals; by hand."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.consensus import Algorithm, Consensus
from shifty_pipelines.contexts.curation.domain.decisions import Basis, Decision, Equal, Ruling, decide, stand_for_equals
from shifty_pipelines.contexts.curation.domain.votes import collect_votes

A, B, C, D = (uuid.UUID(int=number) for number in range(1, 5))
CROWD = Algorithm(name="crowd", version=7)


def fitted(posterior: list[list[float]]) -> Consensus:
    shares = np.array(posterior)
    classes = shares.shape[1]
    return Consensus(
        algorithm=CROWD,
        posterior=shares,
        confusion=np.zeros((1, classes, classes)),
        class_prior=np.full(classes, 1 / classes),
        log_likelihood=0.0,
        iterations=1,
        converged=True,
    )


def ruling(item_id: uuid.UUID, label: str, *, basis: Basis = Basis.ADJUDICATION, posterior: float = 1.0) -> Ruling:
    return Ruling(item_id=item_id, label_event_id=uuid.uuid4(), label=label, posterior=posterior, basis=basis)


def declared(item_id: uuid.UUID, label: str) -> Ruling:
    return ruling(item_id, label, basis=Basis.DECLARED, posterior=0.97)


def decided(*rulings: Ruling) -> dict[uuid.UUID, Decision]:
    rows = [(str(A), "x", "yes"), (str(A), "y", "yes"), (str(B), "x", "no")]
    votes, _ = collect_votes(rows, ["yes", "no"])
    return {found.item_id: found for found in decide(votes, fitted([[0.9, 0.1], [0.2, 0.8]]), rulings)}


def test_without_a_ruling_the_crowds_likeliest_label_stands() -> None:
    found = decided()
    assert [(f.label, f.posterior, f.label_count, f.basis, f.algorithm) for f in found.values()] == [
        ("yes", 0.9, 2, Basis.CONSENSUS, CROWD),
        ("no", 0.8, 1, Basis.CONSENSUS, CROWD),
    ]


@pytest.mark.parametrize(
    ("rulings", "expected"),
    [
        pytest.param([declared(A, "no")], ("no", 0.97, Basis.DECLARED), id="declared over crowd"),
        pytest.param([ruling(A, "no")], ("no", 1.0, Basis.ADJUDICATION), id="adjudication over crowd"),
        pytest.param([declared(A, "yes"), ruling(A, "no")], ("no", 1.0, Basis.ADJUDICATION), id="then adjudication"),
        pytest.param([ruling(A, "no"), declared(A, "yes")], ("no", 1.0, Basis.ADJUDICATION), id="later declared"),
        pytest.param([ruling(A, "no"), ruling(A, "yes")], ("yes", 1.0, Basis.ADJUDICATION), id="a later adjudication"),
        pytest.param([declared(A, "no"), declared(A, "yes")], ("yes", 0.97, Basis.DECLARED), id="a later declaration"),
    ],
)
def test_adjudication_stands_over_a_declared_source_over_the_crowd(
    rulings: list[Ruling], expected: tuple[str, float, Basis]
) -> None:
    found = decided(*rulings)
    assert (found[A].label, found[A].posterior, found[A].basis) == expected
    assert found[A].label_count == 2 + len(rulings)  # whoever had the last word, all of them spoke
    assert found[B].label == "no"


def test_items_nobody_voted_on_are_decided_by_rulings_alone_in_order_of_id() -> None:
    votes, _ = collect_votes([], ["yes", "no"])
    found = decide(votes, None, [declared(C, "no"), ruling(B, "yes")])
    assert [(f.item_id, f.label_count, f.algorithm.name) for f in found] == [(B, 1, "adjudication"), (C, 1, "declared")]


def equal(item_id: uuid.UUID, label: str | None, digest: bytes = b"same") -> Equal:
    return Equal(item_id=item_id, digest=digest, label=label)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([equal(A, "yes"), equal(B, "no", b"other")], {A: "unique", B: "unique"}, id="different texts"),
        pytest.param([equal(A, "yes"), equal(B, "yes")], {A: "unique", B: A}, id="the first stands for equals"),
        pytest.param([equal(A, None), equal(B, "yes")], {A: B, B: "unique"}, id="the decided before the undecided"),
        pytest.param([equal(A, None), equal(B, None)], {A: "unique", B: A}, id="nobody decided"),
        pytest.param(
            [equal(A, "yes"), equal(B, "no"), equal(C, None), equal(D, "yes", b"other")],
            {A: "contradicting", B: "contradicting", C: "contradicting", D: "unique"},
            id="equals that differ are all left out",
        ),
    ],
)
def test_one_item_stands_for_equals_unless_they_contradict(
    texts: list[Equal], expected: dict[uuid.UUID, uuid.UUID | str]
) -> None:
    found = stand_for_equals(texts)
    assert {item: stands_for or standing.value for item, (standing, stands_for) in found.items()} == expected


@given(st.lists(st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.sampled_from([None, "yes", "no"])), max_size=12))
def test_every_text_is_stood_for_by_exactly_one_of_its_equals_or_by_none(drawn: list[tuple[bytes, str | None]]) -> None:
    texts = [equal(uuid.UUID(int=n + 1), label, digest) for n, (digest, label) in enumerate(drawn)]
    found = stand_for_equals(texts)
    assert set(found) == {text.item_id for text in texts}
    digest_of = {text.item_id: text.digest for text in texts}
    unique = [item for item, (standing, _) in found.items() if standing == "unique"]
    assert len({digest_of[item] for item in unique}) == len(unique)
    for item, (standing, stands_for) in found.items():
        assert (standing == "duplicate") == (stands_for is not None)
        if stands_for is not None:
            assert stands_for in unique
            assert digest_of[stands_for] == digest_of[item]
