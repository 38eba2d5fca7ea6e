"""Bodies and signatures, against Standard Webhooks' published vector and its library."""

import base64
import json
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shifty_pipelines.contexts.integrations.domain.messages import body_of, message_id, secret_text, signed_headers
from shifty_pipelines.kernel.clock import SystemClock

EVENT = uuid.UUID("1f81eb52-5198-4599-803e-771906343485")
#: libraries/python/tests of standard-webhooks/standard-webhooks.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = datetime.fromtimestamp(1614265330, tz=UTC)
VECTOR_BODY = '{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector_is_signed_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    from shifty_pipelines.contexts.integrations.domain import messages

    monkeypatch.setattr(messages, "message_id", lambda _event_id: VECTOR_ID)  # the vector's id is none of ours
    headers = signed_headers([VECTOR_SECRET], EVENT, VECTOR_BODY, at=VECTOR_AT)
    assert headers["webhook-signature"] == VECTOR_SIGNATURE
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (VECTOR_ID, "1614265330")


def test_a_secret_has_the_form_of_the_spec() -> None:
    secret = secret_text(bytes(range(32)))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_"), validate=True) == bytes(range(32))


def test_either_of_two_secrets_verifies_what_both_signed_and_a_third_does_not() -> None:
    old, new, other = (secret_text(bytes([n]) * 32) for n in (1, 2, 3))
    body = body_of("ping", VECTOR_AT, {"a": 1})
    headers = signed_headers([new, old], EVENT, body, at=SystemClock().now())
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["type"] == "ping"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body.replace("1", "2"), headers)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_any_label_survives_the_way_and_verifies(data: dict[str, object]) -> None:
    secret = secret_text(bytes(32))
    body = body_of("mission.settled", VECTOR_AT, data)
    headers = signed_headers([secret], EVENT, body, at=SystemClock().now())
    assert Webhook(secret).verify(body.encode(), headers)["data"] == data


def test_the_body_has_the_three_fields_of_the_spec_and_the_id_has_no_dot() -> None:
    message = json.loads(body_of("task.completed", VECTOR_AT, {"missionId": "m"}))
    assert message == {"type": "task.completed", "timestamp": "2021-02-25T15:02:10Z", "data": {"missionId": "m"}}
    assert message_id(EVENT) == "msg_1f81eb5251984599803e771906343485"
