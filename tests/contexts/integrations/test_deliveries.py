"""When a delivery is tried again, and when its endpoint is given up: Standard Webhooks' table and hand arithmetic."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.integrations.domain.deliveries import (
    BACKOFF_S,
    MAX_ATTEMPTS,
    Outcome,
    disabled_by,
    retry_after_s,
    wait_s,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
#: "Time since start" of the spec's table, copied from it.
TABLE = ["00:00:05", "00:05:05", "00:35:05", "02:35:05", "07:35:05", "17:35:05", "31:35:05", "51:35:05", "75:35:05"]


def answered(code: int | None, *, retry_after: float | None = None, failure: str | None = None) -> Outcome:
    return Outcome(response_code=code, failure=failure, retry_after_s=retry_after, duration_ms=1)


def test_the_schedule_is_the_table_of_standard_webhooks() -> None:
    waits = [wait_s(answered(500), attempt, jitter=0.0) for attempt in range(1, MAX_ATTEMPTS)]
    since_start = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in accumulate(map(int, waits))]  # type: ignore[arg-type]
    assert since_start == TABLE
    assert wait_s(answered(500), 10, jitter=0.0) is None


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_2xx_is_a_success(code: int) -> None:
    assert answered(code).is_success
    assert answered(code).reason is None


@pytest.mark.parametrize(("code", "reason"), [(300, "redirect"), (308, "redirect"), (199, "status"), (404, "status")])
def test_anything_else_is_a_failure_that_is_tried_again(code: int, reason: str) -> None:
    assert not answered(code).is_success
    assert answered(code).reason == reason
    assert wait_s(answered(code), 1, jitter=0.0) == 5


def test_no_answer_is_a_failure_of_its_own_name() -> None:
    assert answered(None, failure="timeout").reason == "timeout"
    assert not answered(None, failure="timeout").is_success


@pytest.mark.parametrize(
    ("code", "asked", "expected"),
    [
        (429, 120, 120),
        (503, 120, 120),
        (503, 1, 5),  # never sooner than the schedule
        (429, 10**9, 86_400),  # never later than a day
        (500, 120, 5),  # only these two statuses may ask
    ],
)
def test_retry_after_is_obeyed_within_bounds(code: int, asked: float, expected: float) -> None:
    assert wait_s(answered(code, retry_after=asked), 1, jitter=0.0) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Wed, 25 Nov 2026 12:02:00 GMT", 120.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
        (None, None),
        ("9" * 5000, 9_999_999_999.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_no_wish(header: str | None, expected: float | None) -> None:
    assert retry_after_s(header, NOW) == expected


@given(attempt=st.integers(1, MAX_ATTEMPTS - 1), jitter=st.floats(0, 1, exclude_max=True))
def test_jitter_lengthens_a_wait_by_at_most_a_tenth(attempt: int, jitter: float) -> None:
    seconds = wait_s(answered(500), attempt, jitter=jitter)
    assert seconds is not None
    assert BACKOFF_S[attempt - 1] <= seconds <= BACKOFF_S[attempt - 1] * 1.1


@given(st.text())
def test_no_retry_after_header_breaks_anything(header: str) -> None:
    found = retry_after_s(header, NOW)
    assert found is None or found >= 0


def test_gone_ends_the_endpoint_at_once_and_five_days_of_failures_do() -> None:
    assert wait_s(answered(410), 1, jitter=0.0) is None
    assert disabled_by(answered(410), failing_since=NOW, now=NOW) == "gone"
    almost = NOW + timedelta(days=5) - timedelta(seconds=1)
    assert disabled_by(answered(500), failing_since=NOW, now=almost) is None
    assert disabled_by(answered(500), failing_since=NOW, now=NOW + timedelta(days=5)) == "failing"
