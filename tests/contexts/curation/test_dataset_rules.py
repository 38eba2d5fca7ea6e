"""Recipes, waterfalls, digests and cards; numbers by hand."""

import hashlib
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.dataset_cards import Card
from shifty_pipelines.contexts.curation.domain.datasets import (
    CandidateRow,
    ContentDigest,
    Recipe,
    Waterfall,
    label_counts,
    select_rows,
    unfit,
)
from shifty_pipelines.contexts.curation.errors import InvalidDataset

TENANT = uuid.UUID(int=7)
SPLITS = ("train", "validation", "test")


def row(number: int, **changes: Any) -> CandidateRow:
    fields: dict[str, Any] = {
        "item_id": uuid.UUID(int=number),
        "label": "bug",
        "posterior": 0.95,
        "label_count": 2,
        "group_id": uuid.UUID(int=number),
        "split": "train",
        **changes,
    }
    return CandidateRow(**fields)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " x"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"name": "a\ud800"}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"description": "a\x00"}, "description"),
        ({"min_posterior": 0.49}, "minPosterior"),
        ({"min_posterior": 1.01}, "minPosterior"),
        ({"min_posterior": float("nan")}, "minPosterior"),
        ({"train_after_new_labels": 0}, "trainAfterNewLabels"),
    ],
)
def test_a_recipe_out_of_range_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDataset) as refusal:
        Recipe(mission_type="classify_error", **wrong)
    assert (refusal.value.status, refusal.value.details) == (400, {"field": field})


@pytest.mark.parametrize(
    "right",
    [
        {"name": "x" * 255},
        {"description": "lines\nand ümlauts"},
        {"min_posterior": 0.5},
        {"min_posterior": 1.0},
        {"train_after_new_labels": 1},
    ],
)
def test_a_recipe_at_the_edge_is_taken(right: dict[str, Any]) -> None:
    Recipe(mission_type="classify_error", **right)


def test_a_recipe_takes_probable_rows_that_serve_in_the_order_given() -> None:
    rows = [row(3), row(1, posterior=0.89), row(2, split="bridged"), row(4, posterior=0.9, split="test")]
    assert [taken.item_id.int for taken in select_rows(rows, min_posterior=0.9)] == [3, 4]


# -------------------------------------------------------------------------------------------------------------- digest


def digest_of(rows: list[tuple[CandidateRow, str]], tenant_id: uuid.UUID = TENANT) -> str:
    digest = ContentDigest(tenant_id)
    for found, text in rows:
        digest.add(found, text)
    return digest.hexdigest()


def test_the_digest_is_sha_256_over_the_tenant_and_every_field_after_its_length() -> None:
    fields = [TENANT.bytes]
    for part in (uuid.UUID(int=1).bytes, b"bug", b"train", "é".encode()):
        fields += [len(part).to_bytes(8, "big"), part]
    assert digest_of([(row(1), "é")]) == hashlib.sha256(b"".join(fields)).hexdigest()


def test_the_digest_tells_tenants_rows_labels_splits_and_texts_apart_and_nothing_else() -> None:
    plain = digest_of([(row(1), "text")])
    others = [
        digest_of([(row(1), "text")], uuid.UUID(int=8)),
        digest_of([(row(2), "text")]),
        digest_of([(row(1, label="question"), "text")]),
        digest_of([(row(1, split="test"), "text")]),
        digest_of([(row(1), "texts")]),
        digest_of([]),
    ]
    assert len({plain, *others}) == 7
    assert digest_of([(row(1, posterior=0.5, label_count=9), "text")]) == plain


PIECES = st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4)), max_size=4)


@given(PIECES, PIECES)
def test_no_two_datasets_share_a_digest(one: list[tuple[str, str, str]], other: list[tuple[str, str, str]]) -> None:
    assume(one != other)
    assume(all(char < "\ud800" or char > "\udfff" for piece in (*one, *other) for part in piece for char in part))

    def whole(pieces: list[tuple[str, str, str]]) -> str:
        return digest_of([(row(n + 1, label=a, split=b), text) for n, (a, b, text) in enumerate(pieces)])

    assert whole(one) != whole(other)


def test_rows_out_of_order_or_twice_are_a_mistake_of_the_caller() -> None:
    for second in (1, 2):
        with pytest.raises(ValueError, match="out of order"):
            digest_of([(row(2), "a"), (row(second), "b")])


# ------------------------------------------------------------------------------------------------- waterfall and card


def test_the_waterfall_counts_what_each_step_leaves_and_takes() -> None:
    steps = Waterfall(items=100, labelled=80, decided=60, kept=55, unique=50).steps(47)
    assert [(step["step"], step["count"], step["excludedNext"]) for step in steps] == [
        ("items", 100, 20),
        ("labelled", 80, 20),
        ("decided", 60, 5),
        ("kept", 55, 5),
        ("unique", 50, 3),
        ("rows", 47, 0),
    ]
    assert steps[0]["reason"] == "no label"


def test_the_numbers_of_a_card_are_those_of_its_rows() -> None:
    events = tuple(uuid.UUID(int=n) for n in range(10))
    rows = [
        row(1, label_event_ids=tuple(events[:2])),
        row(2, label="question", posterior=0.91, label_event_ids=tuple(events[2:3])),
        row(3, split="test", group_id=uuid.UUID(int=1), posterior=0.99, label_event_ids=tuple(events[3:6])),
    ]
    waterfall = Waterfall(items=5, labelled=4, decided=3, kept=3, unique=3)
    card = Card(
        mission_type="classify_error",
        min_posterior=0.9,
        rows=rows,
        waterfall=waterfall,
        agreement={"alpha": 0.5},
        replaced_identifiers={"email": 2},
    ).as_json()
    assert (card["rows"], card["labelEvents"], card["groups"]) == (3, 6, 2)
    assert card["rowsBySplitAndLabel"] == {"test": {"bug": 1}, "train": {"bug": 1, "question": 1}}
    assert card["posterior"] == {"least": 0.91, "mean": pytest.approx(2.85 / 3)}
    assert (card["agreement"], card["replacedIdentifiers"]) == ({"alpha": 0.5}, {"email": 2})
    assert card["recipe"] == {"minPosterior": 0.9, "splitTargets": {"train": 0.8, "validation": 0.1, "test": 0.1}}
    assert card["waterfall"] == waterfall.steps(3)
    assert card["algorithms"] == {"consensus": "pooled_dawid_skene/1", "text": "training_text/1"}


def test_label_counts_are_in_order_of_split_and_label() -> None:
    counts = label_counts([row(1, label="b"), row(2, label="a"), row(3, label="b"), row(4, split="test")])
    assert list(counts) == ["test", "train"]
    assert list(counts["train"].items()) == [("a", 1), ("b", 2)]


def good_rows() -> list[CandidateRow]:
    return [row(n, split=SPLITS[n % 3], label="bug" if n % 2 else "question") for n in range(1, 25)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], "0 rows, fewer than 20", id="empty"),
        pytest.param(good_rows()[:19], "19 rows, fewer than 20", id="too few"),
        pytest.param(good_rows()[:20], None, id="just enough"),
        pytest.param(
            [replace(found, split="train") for found in good_rows()], "no rows in validation, test", id="one split"
        ),
        pytest.param(
            [replace(found, label="bug") for found in good_rows()], "training rows of one label only", id="one class"
        ),
    ],
)
def test_rows_that_could_not_be_trained_on_or_measured_are_unfit(
    rows: list[CandidateRow], expected: str | None
) -> None:
    assert unfit(rows) == expected
