"""Boxes: overlap by hand, the group that means the same, and no answer where nobody agrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.box_consensus import Box, agreed_box, overlap


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


any_box = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(1, 50), st.floats(1, 50)).map(
    lambda found: box(found[0], found[1], found[0] + found[2], found[1] + found[3])
)


def test_overlap_is_shared_area_over_all_area() -> None:
    """4 x 4 at the origin and 4 x 4 shifted by two: 8 of 24 squares."""
    assert overlap(box(0, 0, 4, 4), box(2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert overlap(box(0, 0, 1, 1), box(5, 5, 6, 6)) == 0


@given(any_box, any_box)
def test_overlap_is_symmetric_within_0_and_1_and_1_with_itself(one: Box, other: Box) -> None:
    assert 0 <= overlap(one, other) <= 1
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert overlap(one, one) == pytest.approx(1)


def test_the_group_that_means_the_same_gives_the_median_of_each_side() -> None:
    drawn = [box(0, 0, 10, 10), box(1, 0, 11, 10), box(2, 1, 10, 12), box(80, 80, 90, 90)]

    agreed = agreed_box(drawn)

    assert agreed is not None
    assert agreed.members == (0, 1, 2)
    assert agreed.box == box(1, 0, 10, 10)
    # 100 of 100+90-90..: the second box shares 9 x 10 of 100; the first 9 x 10 of 100; the third 8 x 9 of 88 + 90 - 72.
    assert agreed.agreement == pytest.approx((90 / 100 + 90 / 100 + 72 / 106) / 3)


def test_without_a_quorum_there_is_no_answer() -> None:
    apart = [box(0, 0, 1, 1), box(5, 5, 6, 6), box(9, 9, 10, 10)]

    assert agreed_box(apart) is None
    assert agreed_box([]) is None
    assert agreed_box(apart[:1]) is not None
    assert agreed_box([*apart, apart[0]], quorum=2) is not None


def test_a_chain_of_neighbours_is_no_group() -> None:
    """Each overlaps the next by 60 % and the one after by 33 %: three of five at most, the first such three."""
    chain = [box(step * 2.5, 0, step * 2.5 + 10, 10) for step in range(5)]

    agreed = agreed_box(chain)

    assert agreed is not None
    assert agreed.members == (0, 1, 2)
