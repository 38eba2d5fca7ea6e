"""Logs: one JSON line per event, whatever stands in it, and no secret."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shifty_pipelines.kernel.logging import REDACTED, configure_logging

Lines = Callable[[], list[dict[str, Any]]]
SECRET = "s3cr3t-canary-value"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = io.StringIO()
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"jwt_secret": SECRET},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"nested": [{"api_key": SECRET}]},
        {"note": f"called with Bearer {SECRET}"},
        {"url": f"postgresql://shifty_app:{SECRET}@host/db"},
        {"operator_token": SECRET},
        {"error": ValueError(f"password={SECRET}")},
        {"content": f"Authorization: Basic {SECRET}".encode()},
        {"set": {f"Bearer {SECRET}"}},
        {"keys": {f"Bearer {SECRET}": 1}},
        {"address": f"http://localhost:3070/?token={SECRET}"},
        {"conninfo": f"host=h user=u password='{SECRET}' dbname=d"},
        {"slashed": f"postgresql://shifty_app:a/{SECRET}@host/db"},
        {"header": f"X-API-Key: {SECRET}"},
        {"json": f'{{"password": "{SECRET}"}}'},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_secrets_are_blanked_by_name_and_by_shape(lines: Lines, fields: dict[str, object]) -> None:
    structlog.get_logger().info("tried", **fields)
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert REDACTED in json.dumps(line)


def test_secrets_in_the_messages_of_libraries_and_in_tracebacks_are_blanked(lines: Lines) -> None:
    logging.getLogger("library").warning("token was %s", JWT)
    error = RuntimeError(f"postgresql://u:{SECRET}@h/d and {JWT}")
    structlog.get_logger().error("failed", exc_info=error)
    text = json.dumps(lines())
    assert JWT not in text
    assert SECRET not in text
    assert "RuntimeError" in text


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\nlevel=error", "\x1b[31mred", "a\u2028b", "\u202egnp.exe", "x" * 100_000]
)
def test_a_hostile_value_stays_one_line_of_ascii(lines: Lines, hostile: str) -> None:
    structlog.get_logger().info("seen", value=hostile)
    (line,) = lines()
    assert line["value"] == hostile
