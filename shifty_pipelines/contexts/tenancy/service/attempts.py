"""Counting attempts to sign in, so that guessing gets slow for the guesser and for nobody else."""

import math
from collections.abc import Mapping
from datetime import timedelta

from shifty_pipelines.contexts.tenancy.domain import ATTEMPTS_KEPT, AttemptCount, Backoff
from shifty_pipelines.contexts.tenancy.errors import TooManyAttempts
from shifty_pipelines.contexts.tenancy.models import SignInAttempts
from shifty_pipelines.contexts.tenancy.service.base import TenancyUseCases

#: Expired counters deleted with every attempt: more than an attempt makes, so the table cannot grow without end.
SWEPT_AT_ONCE = 20


class Attempts(TenancyUseCases):
    """Counters by key: one per client address, one per client address and account. They know no account's id."""

    def count_attempt(self, backoffs: Mapping[bytes, Backoff]) -> None:
        """Count one attempt under every key, as failed until it is forgiven.

        Raises:
            TooManyAttempts: one of the keys has to wait; nothing is counted then, so waiting always ends.
        """
        now = self.work.clock.now()
        self.repository.forget_old_attempts(now, at_most=SWEPT_AT_ONCE)
        # In the order of the keys: two attempts that share both wait for each other instead of dying of a deadlock.
        rows = {key: self.repository.attempts_locked(key, expires_at=now + ATTEMPTS_KEPT) for key in sorted(backoffs)}
        wait = max((_count_of(row).wait(now) for row in rows.values()), default=timedelta(0))
        if wait:
            raise TooManyAttempts(retry_after_s=math.ceil(wait.total_seconds()))
        for key, row in rows.items():
            _store(row, _count_of(row).counted(backoffs[key], now))

    def forgive_attempt(self, *, account_key: bytes, address_key: bytes) -> None:
        """The attempt succeeded: the account's counter starts anew, the address's forgets this one attempt only."""
        now = self.work.clock.now()
        self.repository.forget_attempts(account_key)
        row = self.repository.attempts_locked(address_key, expires_at=now + ATTEMPTS_KEPT)
        _store(row, _count_of(row).forgiven())


def _count_of(row: SignInAttempts) -> AttemptCount:
    return AttemptCount(failures=row.failures, blocked_until=row.blocked_until, expires_at=row.expires_at)


def _store(row: SignInAttempts, count: AttemptCount) -> None:
    row.failures, row.blocked_until, row.expires_at = count.failures, count.blocked_until, count.expires_at
