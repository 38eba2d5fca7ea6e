"""Feedback on a real database, with key slots that live as long as the test."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from shifty_pipelines.contexts.feedback.domain import ErrorReport, ErrorSource, ErrorText, Severity
from shifty_pipelines.contexts.feedback.service import FeedbackService
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.keys import MemoryKeySlots, MemoryTenantKeys
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.kernel.work import begin_work

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Desk:
    """Where errors are reported and read, tenant by tenant."""

    database: Database
    new_tenant: Callable[[], uuid.UUID]
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    keys: MemoryKeySlots = field(default_factory=MemoryKeySlots)
    pseudonyms: TenantHmac = field(default_factory=lambda: TenantHmac(MemoryTenantKeys()))

    def tenant(self) -> TenantId:
        return TenantId(self.new_tenant())

    @contextmanager
    def open(self, tenant_id: TenantId) -> Iterator[FeedbackService]:
        with self.database.tenant_transaction(tenant_id) as scope:
            work = begin_work(scope, system_actor(tenant_id), self.clock, RandomIds())
            yield FeedbackService(work, self.keys, self.pseudonyms)


@pytest.fixture
def desk(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> Desk:
    return Desk(app_database, new_tenant)


def report(
    external_id: str = "sentry-event-123",
    *,
    source: ErrorSource = ErrorSource.SENTRY,
    text: ErrorText | None = None,
    occurrence_count: int = 1,
) -> ErrorReport:
    return ErrorReport(
        source=source,
        external_id=external_id,
        error_type="NullPointerException",
        severity=Severity.HIGH,
        environment="production",
        service="api-gateway",
        text=text or ErrorText(message="Cannot read property 'id' of undefined", stack_trace="at app.js:1"),
        occurrence_count=occurrence_count,
    )
