from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.votes import MAX_LABELS, Votes, collect_votes
from shifty_pipelines.kernel.errors import InvalidValue

LABELS = ["bug", "feature", "question"]

raw_votes = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"), st.sampled_from([*LABELS, "spam"])), max_size=40
)


def as_triples(votes: Votes) -> list[tuple[str, str, str]]:
    return [
        (votes.items[i], votes.labelers[w], votes.labels[k])
        for i, w, k in zip(votes.item_index, votes.labeler_index, votes.label_index, strict=True)
    ]


def test_columns_decode_to_the_rows_they_were_built_from() -> None:
    rows = [("i2", "bob", "bug"), ("i1", "ann", "question"), ("i2", "ann", "feature")]

    votes, report = collect_votes(rows, LABELS)

    assert as_triples(votes) == [("i1", "ann", "question"), ("i2", "ann", "feature"), ("i2", "bob", "bug")]
    assert (votes.item_index.dtype, votes.labeler_index.dtype, votes.label_index.dtype) == (
        np.int32,
        np.int32,
        np.int8,
    )
    assert (report.rows, report.duplicate_rows, report.contradicting_pairs, report.unknown_labels) == (3, 0, 0, {})


def test_exact_duplicates_are_dropped_and_counted() -> None:
    votes, report = collect_votes([("i", "ann", "bug")] * 3 + [("i", "bob", "bug")], LABELS)

    assert votes.label_counts().tolist() == [[2, 0, 0]]
    assert report.duplicate_rows == 2


def test_a_contradicting_pair_keeps_all_its_votes_and_is_counted_once() -> None:
    rows = [("i", "ann", "bug"), ("i", "ann", "feature"), ("i", "ann", "question"), ("i", "bob", "bug")]
    rows += [("i", "cid", "bug"), ("i", "cid", "question")]

    votes, report = collect_votes(rows, LABELS)

    assert votes.label_counts().tolist() == [[3, 1, 2]]
    assert (report.contradicting_pairs, report.duplicate_rows) == (2, 0)


def test_labels_outside_the_set_are_reported_and_leave_no_trace() -> None:
    votes, report = collect_votes([("i", "ann", "spam"), ("j", "bob", "bug"), ("i", "cid", "spam")], LABELS)

    assert (votes.items, votes.labelers) == (("j",), ("bob",))
    assert report.unknown_labels == {"spam": 2}


@given(raw_votes, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[tuple[str, str, str]], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))

    (votes, report), (other, other_report) = collect_votes(rows, LABELS), collect_votes(shuffled, LABELS)

    assert (votes.items, votes.labelers) == (other.items, other.labelers)
    for name in ("item_index", "labeler_index", "label_index"):
        assert getattr(votes, name).tolist() == getattr(other, name).tolist()
    assert report == other_report


@given(raw_votes)
def test_every_row_is_kept_or_accounted_for(rows: list[tuple[str, str, str]]) -> None:
    votes, report = collect_votes(rows, LABELS)

    known = {row for row in rows if row[2] in LABELS}
    assert as_triples(votes) == sorted(known)  # the labels happen to be in alphabetical order
    assert report.rows == len(votes.item_index) + report.duplicate_rows + sum(report.unknown_labels.values())
    assert votes.label_counts().sum() == len(known)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([], id="none"),
        pytest.param(["bug"], id="one"),
        pytest.param(["bug", "bug"], id="repeated"),
        pytest.param([str(n) for n in range(MAX_LABELS + 1)], id="more than int8 holds"),
    ],
)
def test_a_label_set_that_cannot_be_voted_on_is_refused(labels: list[str]) -> None:
    with pytest.raises(InvalidValue, match="labels is"):
        collect_votes([("i", "ann", "bug")], labels)


def test_the_largest_label_set_is_coded_without_overflow() -> None:
    labels = [str(n) for n in range(MAX_LABELS)]

    votes, _ = collect_votes([("i", "ann", labels[-1])], labels)

    assert as_triples(votes) == [("i", "ann", labels[-1])]
