"""When a delivery is tried again, when it is given up, and when its endpoint is.

Source: Standard Webhooks, "Deliverability and reliability" and "Delivery success and failure" (its retry schedule).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

#: Seconds to wait after the n-th failed attempt; ten attempts in all, over 75 h 35 min 5 s.
BACKOFF_S: Sequence[int] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_ATTEMPTS = len(BACKOFF_S) + 1
#: A wait is made longer by up to this share of it, so that what failed together is not tried again together.
JITTER = 0.1
#: The longest that a receiver's Retry-After is obeyed.
MAX_RETRY_AFTER_S = 86_400
#: An endpoint that has failed this long without one success is disabled.
DISABLE_AFTER = timedelta(days=5)

_WAITS_FOR = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class DeliveryStatus(StrEnum):
    """How far a delivery got."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing."""

    BY_PERSON = "by_person"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt gave: an answer's status, or why there was none.

    Attributes:
        duration_ms: from the first look-up to the last byte.
    """

    response_code: int | None
    failure: str | None
    retry_after_s: float | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        """2xx, and nothing else."""
        return self.response_code is not None and HTTPStatus.OK <= self.response_code < HTTPStatus.MULTIPLE_CHOICES

    @property
    def reason(self) -> str | None:
        """Why it is no success, in one word."""
        if self.is_success or self.failure is not None:
            return self.failure
        code = self.response_code
        is_redirect = code is not None and HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST
        return "redirect" if is_redirect else "status"


def wait_s(outcome: Outcome, attempts: int, *, jitter: float) -> float | None:
    """Seconds until the next attempt after this failed one; None when it was the last.

    Args:
        outcome: what the attempt gave.
        attempts: attempts so far, this one counted.
        jitter: a number of [0, 1).
    """
    if attempts >= MAX_ATTEMPTS or outcome.response_code == HTTPStatus.GONE:
        return None
    scheduled = BACKOFF_S[attempts - 1] * (1 + JITTER * jitter)
    if outcome.retry_after_s is None or outcome.response_code not in _WAITS_FOR:
        return scheduled
    return max(scheduled, min(outcome.retry_after_s, MAX_RETRY_AFTER_S))


def disabled_by(outcome: Outcome, *, failing_since: datetime | None, now: datetime) -> DisabledReason | None:
    """Why this failure ends its endpoint, if it does."""
    if outcome.response_code == HTTPStatus.GONE:
        return DisabledReason.GONE
    is_long = failing_since is not None and now - failing_since >= DISABLE_AFTER
    return DisabledReason.FAILING if is_long else None


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, in either form (RFC 9110, 10.2.3); None if it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
