"""The text of an item that a model reads: one rule per shape of payload.

What belongs here: which fields count and how they are put together. What does not: cleaning (cleaning.py) and removing
what must not be seen (pii.py). Stored spans point into this text, so a change here raises `TEXT_VERSION`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shifty_pipelines.contexts.curation.domain.cleaning import Frame, clean_error, clean_issue
from shifty_pipelines.contexts.curation.domain.stack_traces import parse_frames

TEXT_VERSION = 1

#: A payload has at most 256 KiB; what is longer than this is a log that somebody pasted, and is left out with a reason.
MAX_TEXT_CHARS = 100_000


#: What UTF-8 and PostgreSQL cannot hold; JSON can ("\\ud800").
_NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")


def training_text(payload: Mapping[str, Any]) -> str:
    """The text of a payload: an error, an issue report, a plain text, or else all its texts in order of field.

    Shapes, first match wins: `message` (with `errorType`, `stackTrace`, `metadata.frames`), `title` or `body`, `text`.
    Numbers and flags outside these shapes carry no text. White space is single; what UTF-8 cannot hold becomes U+FFFD.

    Example:
        >>> training_text({"title": "Crash", "body": "It **stops**."})
        'Crash. It **stops**.'
    """
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", _by_shape(payload))


def _by_shape(payload: Mapping[str, Any]) -> str:
    if isinstance(payload.get("message"), str):
        return clean_error(_text(payload, "errorType"), _text(payload, "message"), _frames(payload))
    if "title" in payload or "body" in payload:
        return clean_issue(_text(payload, "title"), _text(payload, "body"))
    if "text" in payload:
        return " ".join(_text(payload, "text").split())
    return " ".join(" ".join(_leaves(payload)).split())


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _frames(payload: Mapping[str, Any]) -> Sequence[Frame]:
    """Frames as the reporter gave them, innermost first, or else as the trace reads."""
    metadata = payload.get("metadata")
    given = metadata.get("frames") if isinstance(metadata, Mapping) else None
    frames = [_given_frame(frame) for frame in given if isinstance(frame, Mapping)] if isinstance(given, list) else []
    return frames[::-1] or parse_frames(_text(payload, "stackTrace"))


def _given_frame(frame: Mapping[str, Any]) -> Frame:
    return Frame(
        function=_text(frame, "function"),
        module=_text(frame, "file"),
        in_app=frame.get("inApp") is True,
        source=_text(frame, "source"),
    )


def _leaves(value: object) -> Iterator[str]:
    waiting = [value]  # no recursion: a payload may be nested as deep as it likes
    while waiting:
        following = waiting.pop()
        if isinstance(following, str):
            yield following
        elif isinstance(following, Mapping):
            waiting += [following[name] for name in sorted(following, reverse=True)]
        elif isinstance(following, Sequence):
            waiting += reversed(following)
