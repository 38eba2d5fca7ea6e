"""Structured logs: one JSON line per event, escaped, without secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

REDACTED = "[redacted]"
#: Field names whose values never reach a log line, whatever they hold.
SECRET_NAMES = re.compile(r"(?i)pass(word|wd)|secret|token|authorization|cookie|api_?key|credential|private_?key")
#: Values that are secrets wherever they stand: authorizations, JWTs, passwords inside connection URLs, and what a text
#: itself calls a password, secret, token or key (`?token=…`, `password=…`, `X-API-Key: …`).
SECRET_VALUES = (
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]+"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(r"(?<=://)[^\s/@:]+:[^\s@]+(?=@)"),
    re.compile(r"(?i)(?:pass(?:word|wd)|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?[^\s\"'&,;)}\]]+"),
)


def configure_logging(*, stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send structlog and the standard library's logging to `stream` as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank secret fields by name and secret-looking values anywhere, nested ones too."""
    for name in event:
        # structlog's own, which later processors read; an exception becomes a text, and that comes by here again.
        if name != "exc_info" and not name.startswith("_"):
            event[name] = _redacted(name, event[name])
    return event


def _redacted(name: str, value: Any) -> Any:
    if SECRET_NAMES.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {_without_secrets(str(key)): _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # Whatever else there is would be written by its repr: an exception's message, bytes.
    return _without_secrets(value if isinstance(value, str) else repr(value))


def _without_secrets(text: str) -> str:
    for pattern in SECRET_VALUES:
        text = pattern.sub(REDACTED, text)
    return text
