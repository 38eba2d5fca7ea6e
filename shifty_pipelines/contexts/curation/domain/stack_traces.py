"""Stack traces as text, read into frames: Python, JavaScript and the Java family.

What belongs here: what a frame says, and whether it is the application's own. What does not: which frames matter.
Every pattern is anchored to one line and has no nested repetition, so the cost is linear in the text.
"""

import re
from collections.abc import Iterator, Sequence

from shifty_pipelines.contexts.curation.domain.cleaning import Frame

#: Lines looked at from the end that matters; traces of runaway recursion repeat themselves.
MAX_LINES = 2_000

_PYTHON = re.compile(r'\s*File "([^"]{1,500})", line \d{1,9}, in (\S{1,200})')
_CALL = re.compile(r"\s*at (?:async |new )?([\w$.<>\[\]/-]{1,300})(?: \[as [^\]]{1,200}\])? ?\(([^()]{0,500})\)")
_BARE = re.compile(r"\s*at ([^\s()]{1,500}):\d{1,9}:\d{1,9}")
_POSITION = re.compile(r"(?::\d{1,9}){1,2}$")

#: Parts of a path or package that belong to a runtime, a framework or a library.
_FOREIGN = re.compile(
    r"(?:^|[\\/])(?:site-packages|dist-packages|node_modules|python3\.\d+|vendor)(?:[\\/]|$)"
    r"|^<frozen |^node:|^internal/|^(?:native|<anonymous>|index \d+|Native Method)$"
    r"|^(?:java|javax|jdk|sun|kotlin|scala|org\.springframework|org\.junit)\."
)


def parse_frames(trace: str) -> Sequence[Frame]:
    r"""The frames of a stack trace, innermost first; lines that are no frames are passed over.

    Example:
        >>> parse_frames('Traceback\n  File "shop/cart.py", line 3, in add\n    total = price["x"]\n')[0].source
        'total = price["x"]'
    """
    lines = trace.splitlines()
    # Python prints the innermost call last, the others first.
    python = list(_python_frames(lines[-MAX_LINES:]))
    return python[::-1] if python else list(_other_frames(lines[:MAX_LINES]))


def is_foreign(place: str) -> bool:
    """Whether a file or package belongs to a runtime, framework or library rather than to the application."""
    return _FOREIGN.search(place) is not None


def _python_frames(lines: Sequence[str]) -> Iterator[Frame]:
    for number, line in enumerate(lines):
        match = _PYTHON.match(line)
        if match is None:
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        source = "" if _PYTHON.match(following) or not following.startswith("    ") else following.strip()
        yield Frame(function=match[2], module=match[1], in_app=not is_foreign(match[1]), source=source)


def _other_frames(lines: Sequence[str]) -> Iterator[Frame]:
    for line in lines:
        if match := _CALL.match(line):
            place = _POSITION.sub("", match[2])
            is_own = not is_foreign(place) and not is_foreign(match[1])
            yield Frame(function=match[1], module=place, in_app=is_own)
        elif match := _BARE.match(line):
            yield Frame(function="<anonymous>", module=match[1], in_app=not is_foreign(match[1]))
