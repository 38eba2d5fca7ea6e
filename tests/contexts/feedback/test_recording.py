"""Errors are recorded once, read by their own tenant only, and their text stands nowhere in the clear."""

import hashlib
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

from shifty_pipelines.contexts.feedback.domain import ErrorSource, ErrorText, RecordedError, Severity
from shifty_pipelines.contexts.feedback.models import ErrorEventRow
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.keys import KeyErased
from shifty_pipelines.kernel.tenant import TenantId
from tests.conftest import TestServer
from tests.contexts.feedback.conftest import NOON, Desk, report

CANARY = "zugspitze"

#: Everything Python can hold, lone surrogates and NUL included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)
ERROR_TEXTS = st.builds(
    ErrorText,
    message=ANY_TEXT,
    stack_trace=st.none() | ANY_TEXT,
    endpoint=st.none() | ANY_TEXT,
    user_id=st.none() | ANY_TEXT,
    metadata=st.dictionaries(ANY_TEXT, JSON_VALUES, max_size=4),
)
#: Two lone surrogates in a row, which JSON's escapes would join into one character.
TWO_HALVES = ErrorText(message="\ud83d\ude00", metadata={"\ud83d\ude00": "\0"})


def counts(desk: Desk, tenant_id: TenantId) -> tuple[int, int, int]:
    """Error events, outbox events and audit rows of a tenant."""
    with desk.database.tenant_transaction(tenant_id) as scope:
        row = scope.session.execute(
            text(
                "SELECT (SELECT count(*) FROM error_events), (SELECT count(*) FROM outbox_events),"
                " (SELECT count(*) FROM audit_events)"
            )
        ).one()
        return row[0], row[1], row[2]


def test_a_recorded_error_is_read_back_with_every_field_it_was_reported_with(desk: Desk) -> None:
    tenant_id = desk.tenant()
    given_text = ErrorText(
        message="Cannot read property 'id' of undefined",
        stack_trace="at checkout (cart.js:12)",
        endpoint="/api/cart",
        user_id="customer-7",
        metadata={"release": "1.4.2", "tags": [1, 2.5, None, True]},
    )
    with desk.open(tenant_id) as feedback:
        recorded = feedback.record(report(text=given_text, occurrence_count=3))
    with desk.open(tenant_id) as feedback:
        event = feedback.get(recorded.id)
    assert recorded.is_new
    assert event.text == given_text
    summary = event.summary
    assert (summary.id, summary.tenant_id) == (recorded.id, tenant_id)
    assert (summary.source, summary.external_id) == (ErrorSource.SENTRY, "sentry-event-123")
    assert (summary.error_type, summary.severity) == ("NullPointerException", Severity.HIGH)
    assert (summary.environment, summary.service) == ("production", "api-gateway")
    assert (summary.first_seen, summary.last_seen, summary.created_at) == (NOON, NOON, NOON)
    assert summary.occurrence_count == 3


def test_the_same_delivery_again_is_the_same_event_and_changes_nothing(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        first = feedback.record(report(occurrence_count=2))
    with desk.open(tenant_id) as feedback:
        before = feedback.get(first.id)
    slots_before = desk.keys.count(tenant_id)
    desk.clock.advance(timedelta(hours=1))
    with desk.open(tenant_id) as feedback:
        second = feedback.record(report(occurrence_count=2))
    with desk.open(tenant_id) as feedback:
        after = feedback.get(first.id)
    assert second == RecordedError(id=first.id, is_new=False)
    assert after == before
    assert counts(desk, tenant_id) == (1, 1, 1)
    assert desk.keys.count(tenant_id) == slots_before


def test_a_higher_count_under_the_same_external_id_is_kept_and_a_lower_one_is_not(desk: Desk) -> None:
    tenant_id = desk.tenant()
    later = NOON + timedelta(hours=1)
    with desk.open(tenant_id) as feedback:
        error_id = feedback.record(report(occurrence_count=2)).id
    desk.clock.advance(timedelta(hours=1))
    with desk.open(tenant_id) as feedback:
        feedback.record(report(occurrence_count=5, text=ErrorText(message="other words")))
    desk.clock.advance(timedelta(hours=1))
    with desk.open(tenant_id) as feedback:
        feedback.record(report(occurrence_count=4))
    with desk.open(tenant_id) as feedback:
        event = feedback.get(error_id)
    assert (event.summary.occurrence_count, event.summary.last_seen) == (5, later)
    assert event.summary.first_seen == NOON
    assert event.text.message == "Cannot read property 'id' of undefined"
    assert counts(desk, tenant_id) == (1, 1, 2)


def test_an_external_id_belongs_to_its_source(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        ids = {feedback.record(report("17", source=source)).id for source in ErrorSource}
    assert len(ids) == len(ErrorSource) == 5


def test_two_deliveries_at_once_become_one_event(desk: Desk) -> None:
    """The first one commits only after the second has begun to wait for it."""
    tenant_id = desk.tenant()

    def deliver() -> RecordedError:
        with desk.open(tenant_id) as feedback:
            return feedback.record(report())

    with ThreadPoolExecutor(1) as pool:
        with desk.open(tenant_id) as feedback:
            first = feedback.record(report())
            second: Future[RecordedError] = pool.submit(deliver)
            wait_until_blocked(desk)
            assert not second.done()
        assert second.result(timeout=10) == RecordedError(id=first.id, is_new=False)
    assert counts(desk, tenant_id) == (1, 1, 1)


def test_a_delivery_that_waited_for_one_that_failed_is_recorded(desk: Desk) -> None:
    tenant_id = desk.tenant()

    def deliver() -> RecordedError:
        with desk.open(tenant_id) as feedback:
            return feedback.record(report())

    class Failure(Exception):
        pass

    def deliver_and_fail(pool: ThreadPoolExecutor, waiting: list[Future[RecordedError]]) -> None:
        with desk.open(tenant_id) as feedback:
            feedback.record(report())
            waiting.append(pool.submit(deliver))
            wait_until_blocked(desk)
            raise Failure

    waiting: list[Future[RecordedError]] = []
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(Failure):
            deliver_and_fail(pool, waiting)
        assert waiting[0].result(timeout=10).is_new
    assert counts(desk, tenant_id) == (1, 1, 1)


def test_many_deliveries_of_few_errors_from_many_threads_double_nothing(desk: Desk) -> None:
    tenant_id = desk.tenant()
    start = threading.Barrier(8)

    def deliver_all(worker: int) -> list[RecordedError]:
        start.wait()
        recorded = []
        for number in range(10):
            with desk.open(tenant_id) as feedback:
                recorded.append(feedback.record(report(f"event-{(number + worker) % 10}")))
        return recorded

    with ThreadPoolExecutor(8) as pool:
        recorded = [one for batch in pool.map(deliver_all, range(8)) for one in batch]
    assert len({one.id for one in recorded}) == 10
    assert sum(one.is_new for one in recorded) == 10
    assert counts(desk, tenant_id) == (10, 10, 10)


def wait_until_blocked(desk: Desk) -> None:
    """Return once some session waits for another one's transaction."""
    blocked = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'transactionid' AND NOT granted AND datname = current_database()"
    )
    for _ in range(1000):
        with desk.database.platform_transaction() as session:
            if session.scalar(blocked):
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_another_tenant_cannot_read_an_error_by_its_id_nor_list_it(desk: Desk) -> None:
    tenant_a, tenant_b = desk.tenant(), desk.tenant()
    with desk.open(tenant_a) as feedback:
        error_id = feedback.record(report()).id
    with desk.open(tenant_b) as feedback:
        with pytest.raises(NotFound) as theirs:
            feedback.get(error_id)
        with pytest.raises(NotFound) as nobodys:
            feedback.get(uuid.uuid4())
        assert theirs.value.message == nobodys.value.message
        assert feedback.list(after=None, limit=10) == []
    with desk.open(tenant_a) as feedback:
        assert feedback.get(error_id).summary.id == error_id


def test_two_tenants_may_report_the_same_external_id(desk: Desk) -> None:
    tenant_a, tenant_b = desk.tenant(), desk.tenant()
    with desk.open(tenant_a) as feedback:
        of_a = feedback.record(report())
    with desk.open(tenant_b) as feedback:
        of_b = feedback.record(report())
    assert of_a.is_new
    assert of_b.is_new
    assert of_a.id != of_b.id


def test_no_word_of_an_error_stands_in_the_database(desk: Desk, postgres: TestServer, database_name: str) -> None:
    tenant_id = desk.tenant()
    words = ErrorText(
        message=f"{CANARY} 1",
        stack_trace=f"{CANARY} 2",
        endpoint=f"/{CANARY}/3",
        user_id=f"{CANARY}-4",
        metadata={f"{CANARY}5": [f"{CANARY} 6"]},
    )
    with desk.open(tenant_id) as feedback:
        feedback.record(report("clear-external-id", text=words))
    everything = b""
    with postgres.admin(database_name) as connection:
        for table in ("error_events", "outbox_events", "audit_events"):
            query = f"COPY (SELECT * FROM {table} WHERE tenant_id = '{tenant_id}') TO STDOUT (FORMAT binary)"
            with connection.cursor().copy(query) as rows:
                everything += b"".join(bytes(row) for row in rows)
    assert b"clear-external-id" in everything
    assert b"NullPointerException" in everything
    assert CANARY.encode() not in everything
    for word in (words.message, words.stack_trace, words.endpoint, words.user_id):
        assert word is not None
        assert hashlib.sha256(word.encode()).digest() not in everything


def test_an_event_tells_ids_and_labels_and_no_text(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        error_id = feedback.record(report(text=ErrorText(message=CANARY))).id
    with desk.database.tenant_transaction(tenant_id) as scope:
        kind, payload = scope.session.execute(text("SELECT type, payload FROM outbox_events")).one()
    assert kind == "feedback.error_recorded"
    assert payload == {
        "error_event_id": str(error_id),
        "source": "sentry",
        "error_type": "NullPointerException",
        "severity": "high",
    }


def test_equal_messages_share_a_digest_within_a_tenant_and_not_across_tenants(desk: Desk) -> None:
    tenant_a, tenant_b = desk.tenant(), desk.tenant()
    digests = []
    for tenant_id, external_id, message in (
        (tenant_a, "1", "boom"), (tenant_a, "2", "boom"), (tenant_a, "3", "bang"), (tenant_b, "1", "boom"),
    ):  # fmt: skip
        with desk.open(tenant_id) as feedback:
            error_id = feedback.record(report(external_id, text=ErrorText(message=message))).id
            row = feedback.repository.event(error_id)
            assert row is not None
            digests.append(row.message_hmac)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert {len(digest) for digest in digests} == {32}


def test_an_erased_text_is_gone_while_its_event_is_still_listed(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        error_id = feedback.record(report()).id
        other_id = feedback.record(report("another")).id
        row = feedback.repository.event(error_id)
        assert row is not None
        slot = row.key_slot
    desk.keys.erase(tenant_id, [slot])
    with desk.open(tenant_id) as feedback:
        with pytest.raises(KeyErased):
            feedback.get(error_id)
        assert {summary.id for summary in feedback.list(after=None, limit=10)} == {error_id, other_id}
        assert feedback.get(other_id).text.stack_trace == "at app.js:1"


def test_pages_run_from_the_newest_to_the_oldest_and_miss_and_repeat_nothing(desk: Desk) -> None:
    """Three events of every second share their time, so that the id has to decide."""
    tenant_id = desk.tenant()
    recorded = []
    for number in range(12):
        with desk.open(tenant_id) as feedback:
            recorded.append((desk.clock.now(), feedback.record(report(f"event-{number}")).id))
        if number % 3 == 2:
            desk.clock.advance(timedelta(seconds=1))
    seen: list[uuid.UUID] = []
    after = None
    with desk.open(tenant_id) as feedback:
        for length in (5, 5, 2):
            page = feedback.list(after=after, limit=5)
            assert len(page) == length
            seen += [summary.id for summary in page]
            after = (page[-1].created_at, page[-1].id)
        assert feedback.list(after=after, limit=5) == []
    assert seen == [error_id for _, error_id in sorted(recorded, reverse=True)]


def test_a_list_does_not_even_load_the_sealed_texts(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        feedback.record(report())
    with desk.open(tenant_id) as feedback:
        (row,) = feedback.repository.events(after=None, limit=10)
        assert isinstance(row, ErrorEventRow)
        with pytest.raises(InvalidRequestError):
            _ = row.sealed


def test_an_event_that_was_listed_can_be_opened_in_the_same_unit_of_work(desk: Desk) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        error_id = feedback.record(report()).id
    with desk.open(tenant_id) as feedback:
        kept = feedback.repository.events(after=None, limit=10)
        assert feedback.get(error_id).text.stack_trace == "at app.js:1"
        assert len(kept) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_text=ERROR_TEXTS)
@example(given_text=TWO_HALVES)
def test_any_text_comes_back_from_the_database_as_it_was_reported(desk: Desk, given_text: ErrorText) -> None:
    tenant_id = desk.tenant()
    with desk.open(tenant_id) as feedback:
        error_id = feedback.record(report(text=given_text)).id
    with desk.open(tenant_id) as feedback:
        assert feedback.get(error_id).text == given_text


@given(given_text=ERROR_TEXTS)
@example(given_text=TWO_HALVES)
def test_any_text_comes_back_from_what_is_sealed(given_text: ErrorText) -> None:
    assert ErrorText.from_json(given_text.as_json("KeyError")) == given_text
