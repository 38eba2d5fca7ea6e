"""A report within its limits is taken as it is; one beyond them is refused by name, without repeating its text."""

import json
import uuid
from typing import Any

import pytest
from pydantic import ValidationError

from shifty_pipelines.contexts.feedback.domain import (
    ErrorEvent,
    ErrorReport,
    ErrorSource,
    ErrorSummary,
    ErrorText,
    Severity,
)
from shifty_pipelines.contexts.feedback.schemas import ErrorEventBody, ErrorSummaryBody, ReportedError
from shifty_pipelines.kernel.errors import InvalidValue
from tests.contexts.feedback.conftest import NOON, report

KIB = 1024
#: The example of the specification, word for word.
SPEC_BODY = {
    "tenantId": "6f9619ff-8b86-4011-b42d-00cf4fc964ff",
    "source": "sentry",
    "externalId": "sentry-event-123",
    "errorType": "NullPointerException",
    "message": "Cannot read property 'id' of undefined",
    "stackTrace": "...",
    "severity": "high",
    "environment": "production",
    "service": "api-gateway",
}


def nested(depth: int) -> dict[str, Any]:
    """A JSON object of `depth` levels."""
    inner: dict[str, Any] = {"leaf": 1}
    for _ in range(depth - 1):
        inner = {"down": inner}
    return inner


@pytest.mark.parametrize(
    ("at_limit", "beyond", "field"),
    [
        pytest.param({"message": "x" * 64 * KIB}, {"message": "x" * (64 * KIB + 1)}, "message", id="message"),
        pytest.param(
            {"message": "ü" * 32 * KIB}, {"message": "ü" * 32 * KIB + "x"}, "message", id="bytes, not letters"
        ),
        pytest.param(
            {"message": "", "stack_trace": "x" * 512 * KIB},
            {"message": "", "stack_trace": "x" * (512 * KIB + 1)},
            "stackTrace",
            id="stack trace",
        ),
        pytest.param(
            {"message": "", "endpoint": "x" * 8 * KIB},
            {"message": "", "endpoint": "x" * (8 * KIB + 1)},
            "endpoint",
            id="endpoint",
        ),
        pytest.param(
            {"message": "", "user_id": "x" * KIB}, {"message": "", "user_id": "x" * (KIB + 1)}, "userId", id="user id"
        ),
        # {"a":"…"} has eight characters beside its text
        pytest.param(
            {"message": "", "metadata": {"a": "x" * (64 * KIB - 8)}},
            {"message": "", "metadata": {"a": "x" * (64 * KIB - 7)}},
            "metadata",
            id="metadata",
        ),
        pytest.param(
            {"message": "", "metadata": nested(32)}, {"message": "", "metadata": nested(33)}, "metadata", id="depth"
        ),
    ],
)
def test_a_text_of_exactly_its_limit_is_taken_and_one_more_is_refused(
    at_limit: dict[str, Any], beyond: dict[str, Any], field: str
) -> None:
    report(text=ErrorText(**at_limit))
    with pytest.raises(InvalidValue) as refusal:
        report(text=ErrorText(**beyond))
    assert refusal.value.status == 400
    assert refusal.value.details == {"field": field}
    assert refusal.value.message.startswith(f"{field} is ")


def test_a_refusal_says_how_long_the_text_is_and_what_to_do_and_repeats_none_of_it() -> None:
    with pytest.raises(InvalidValue) as refusal:
        report(text=ErrorText(message="secret" * 20_000))
    assert refusal.value.message == (
        "message is 120000 bytes long; expected at most 65536 bytes of UTF-8; cut it short before sending it again"
    )


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"a": float("nan")}, id="NaN"),
        pytest.param({"a": float("inf")}, id="infinity"),
        pytest.param({"a": object()}, id="no JSON value"),
        pytest.param(nested(100_000), id="far too deep"),
        pytest.param({"a": [[[float("nan")]]]}, id="NaN deep inside"),
    ],
)
def test_metadata_that_json_cannot_hold_is_refused_without_naming_its_values(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        report(text=ErrorText(message="", metadata=metadata))
    assert refusal.value.details == {"field": "metadata"}
    assert "32 levels" in refusal.value.message
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize(
    ("field", "attribute", "max_chars"),
    [
        ("externalId", "external_id", 255),
        ("errorType", "error_type", 255),
        ("environment", "environment", 100),
        ("service", "service", 255),
    ],
)
def test_what_stands_in_the_clear_must_be_something_a_database_text_can_hold(
    field: str, attribute: str, max_chars: int
) -> None:
    values: dict[str, Any] = {
        "source": ErrorSource.SENTRY,
        "external_id": "1",
        "error_type": "TypeError",
        "severity": Severity.LOW,
        "environment": "production",
        "service": "shop",
        "text": ErrorText(message=""),
    }
    assert getattr(ErrorReport(**values | {attribute: "ü" * max_chars}), attribute) == "ü" * max_chars
    for refused in ("", "x" * (max_chars + 1), "nul\0nul", "half a pair \ud83d"):
        with pytest.raises(InvalidValue) as refusal:
            ErrorReport(**values | {attribute: refused})
        assert refusal.value.details == {"field": field}
        assert f"1 to {max_chars} characters" in refusal.value.message
        refusal.value.message.encode()  # a message can always be written to a log


@pytest.mark.parametrize("count", [0, -1, 2**31])
def test_a_count_the_table_cannot_hold_is_refused(count: int) -> None:
    with pytest.raises(InvalidValue, match="occurrenceCount"):
        report(occurrence_count=count)


def test_a_report_does_not_show_its_text() -> None:
    assert "zugspitze" not in repr(report(text=ErrorText(message="zugspitze", metadata={"zugspitze": 1})))


def test_the_specifications_example_is_a_report() -> None:
    taken = ReportedError.model_validate(SPEC_BODY).to_report()
    assert taken == ErrorReport(
        source=ErrorSource.SENTRY,
        external_id="sentry-event-123",
        error_type="NullPointerException",
        severity=Severity.HIGH,
        environment="production",
        service="api-gateway",
        text=ErrorText(message="Cannot read property 'id' of undefined", stack_trace="..."),
        occurrence_count=1,
    )


def test_every_optional_field_of_a_body_reaches_the_report() -> None:
    optional = {"endpoint": "/cart", "userId": "u-1", "metadata": {"a": 1}, "occurrenceCount": 7}
    taken = ReportedError.model_validate(SPEC_BODY | optional).to_report()
    assert (taken.text.endpoint, taken.text.user_id, taken.text.metadata) == ("/cart", "u-1", {"a": 1})
    assert taken.occurrence_count == 7


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"source": "bugsnag"}, id="unknown source"),
        pytest.param({"severity": "fatal"}, id="unknown severity"),
        pytest.param({"occurrenceCount": 0}, id="count below one"),
        pytest.param({"occurrenceCount": 2**31}, id="count too high"),
        pytest.param({"message": None}, id="no message"),
        pytest.param({"metadata": [1]}, id="metadata not an object"),
        pytest.param({"id": "1"}, id="an id of one's own"),
        pytest.param({"createdAt": "2026-01-01T00:00:00Z"}, id="a time of one's own"),
    ],
)
def test_a_body_outside_the_contract_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReportedError.model_validate(SPEC_BODY | change)


@pytest.mark.parametrize(
    "missing", ["source", "externalId", "errorType", "message", "severity", "environment", "service"]
)
def test_a_body_without_a_required_field_is_refused(missing: str) -> None:
    with pytest.raises(ValidationError):
        ReportedError.model_validate({name: value for name, value in SPEC_BODY.items() if name != missing})


def test_answers_carry_the_names_that_clients_know() -> None:
    tenant_id = uuid.UUID("6f9619ff-8b86-4011-b42d-00cf4fc964ff")
    summary = ErrorSummary(
        id=uuid.UUID("7f9619ff-8b86-4011-b42d-00cf4fc964ff"),
        tenant_id=tenant_id,
        source=ErrorSource.SENTRY,
        external_id="1",
        error_type="TypeError",
        severity=Severity.LOW,
        environment="production",
        service="shop",
        first_seen=NOON,
        last_seen=NOON,
        occurrence_count=1,
        created_at=NOON,
    )
    in_list = json.loads(ErrorSummaryBody.model_validate(summary).model_dump_json(by_alias=True))
    event = ErrorEvent(summary=summary, text=ErrorText(message="boom", metadata=nested(32)))
    opened = json.loads(ErrorEventBody.of(event).model_dump_json(by_alias=True))
    in_the_clear = {
        "id", "tenantId", "source", "externalId", "errorType", "severity", "environment", "service", "firstSeen",
        "lastSeen", "occurrenceCount", "createdAt",
    }  # fmt: skip
    assert set(in_list) == in_the_clear
    assert set(opened) == in_the_clear | {"message", "stackTrace", "endpoint", "userId", "metadata"}
    assert opened["firstSeen"] == "2026-03-01T12:00:00Z"
    assert (opened["message"], opened["stackTrace"], opened["metadata"]) == ("boom", None, nested(32))
