"""Finding and scrubbing what identifies a person or opens a door, in free text.

What belongs here: structured identifiers, each a named row with a pattern, a check and a replacement. What does not:
names of people (no pattern finds them; a reviewer or a model does) and who may see the original.

Callers store spans, never a second text. Every pattern is linear on hostile input: a run of characters is entered only
at its start (lookbehind), is left only at its end (possessive `++`), or has a bounded length.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from shifty_pipelines.contexts.curation.domain import pii_checks as check

#: The accepted part of a match as (start, end), or None.
Check = Callable[[re.Match[str]], tuple[int, int] | None]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Characters `start` to `end` (exclusive) of the text are of this kind."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """One kind of identifier.

    Attributes:
        name: the kind that spans carry.
        pattern: finds candidates; a group called `value` narrows the span to it.
        accepts: checksum, range or shape that a candidate must pass.
        replacement: what stands in the scrubbed text; no recogniser finds anything in it.
        always: false for kinds that are scrubbed only when asked for.
    """

    name: str
    pattern: re.Pattern[str]
    replacement: str
    accepts: Check = check.whole
    always: bool = True


def _row(name: str, pattern: str, accepts: Check = check.whole, *, always: bool = True) -> Recogniser:
    return Recogniser(
        name=name, pattern=re.compile(pattern), accepts=accepts, replacement=f"[{name.upper()}]", always=always
    )


#: A query or fragment parameter whose name says that its value opens something.
_TELLING_PARAMETER = (
    r"(?i:[?&;#](?:[\w.-]{0,24}[_.-])?"
    r"(?:token|key|apikey|secret|password|passwd|pwd|auth|sig|signature|session|sessionid|sid|code|credential|jwt))="
)

#: Order decides who names a span where two of the same length overlap.
RECOGNISERS: Sequence[Recogniser] = (
    # Secrets. JWT: RFC 7519, two or more base64url parts, the first of which starts with '{"'.
    _row("jwt", r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3}"),
    # docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: unique id prefixes, then 16 characters.
    _row("aws_access_key", r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _row(
        "aws_secret_key",
        r"(?i:aws_?secret(?:_?access)?_?key)[\"']?\s{0,3}[=:]\s{0,3}[\"']?(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
    ),
    # GitHub, Slack, Stripe and Google mark their keys by a prefix, so that scanners find them.
    _row(
        "api_key",
        r"(?<![A-Za-z0-9_-])(?:gh[pousr]_[A-Za-z0-9]{36,}+|github_pat_\w{22,}+|xox[abeprs]-[\w-]{10,}+"
        r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}+|AIza[\w-]{35}(?![\w-]))",
    ),
    _row("bearer_token", r"(?i:\bbearer)\s{1,3}(?P<value>[\w.~+/-]{16,}+=*+)"),
    # RFC 7468; a key whose end was cut off still goes, line by line of base64.
    _row(
        "private_key",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
        r"(?:(?:[^-]|-(?!----)){0,8192}+-----END [A-Z ]{0,20}PRIVATE KEY-----|(?:\s|\\[nr]|[A-Za-z0-9+/=]{32,}+)*+)",
    ),
    # RFC 3986: userinfo stands between "//" and "@"; where there are several, the WHATWG URL standard takes the last.
    _row("url_credentials", r"(?<=://)(?P<value>[^\s/?#\"'<>\[\]]+)@"),
    _row("url_token", _TELLING_PARAMETER + r"(?P<value>[^\s&#\"'<>\[\]]++)"),
    # People. An e-mail's local part (RFC 5321: at most 64) and domain as people write them, not all RFC 5322 allows.
    _row("email", r"(?<![\w-])[\w.%+'-]{1,64}+@[\w-]++(?:\.[\w-]++)++", check.email),
    _row("iban", r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", check.iban),
    _row(
        "credit_card",
        r"(?<!\d)(?<!\d[.,])(?:\d{13,19}|\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?P<tail>(?P=gap)\d{1,3})?"
        r"|3\d{3}(?P<space>[ -])\d{6}(?P=space)\d{5})(?!\d)",
        check.credit_card,
    ),
    # ssa.gov/employer/randomizationfaqs.html: area 000, 666 and 900-999, group 00 and serial 0000 are never given.
    _row("ssn", r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
    # ITU-T E.164: "+", at most 15 digits; North American Numbering Plan: area and exchange start with 2 to 9.
    _row("phone", r"(?<![\w+])\+[1-9](?:[ .()/-]{0,2}\d){6,14}(?!\d)"),
    _row("phone", r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}(?![\w-])"),
    _row(
        "phone",
        r"(?i:\b(?:tel|phone|telephone|mobile|cell|fax))\b[.:]{0,2}\s{0,3}"
        r"(?P<value>\(?\d(?:[ .()/-]{0,2}\d){5,14})(?!\d)",
    ),
    # Machines. Loopback and unspecified addresses say nothing about anybody and stay.
    _row("ipv4", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)", check.ip_address),
    _row(
        "ipv6",
        r"(?<![\w:.])(?=[0-9A-Fa-f:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,6}:"
        r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4})(?!\w|:[\w:])",
        check.ip_address,
    ),
    _row("mac_address", r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"),
    # RFC 9562. Optional: a UUID names a record more often than a person, and errors are told apart by it.
    _row(
        "uuid",
        r"(?<![\w-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![\w-])",
        always=False,
    ),
)

REPLACEMENTS = {recogniser.name: recogniser.replacement for recogniser in RECOGNISERS}
DEFAULT_KINDS = frozenset(recogniser.name for recogniser in RECOGNISERS if recogniser.always)


def find_pii(text: str, *, kinds: Collection[str] = DEFAULT_KINDS) -> list[Span]:
    """Spans of the given kinds, sorted, none touching another's characters.

    Where findings overlap they become one span over all of them, named after the longest, so that nothing of either
    is left over.
    """
    found = [span for recogniser in RECOGNISERS if recogniser.name in kinds for span in _matches(recogniser, text)]
    return _merged(found)


def scrub(text: str, spans: Sequence[Span]) -> str:
    """The text with every span replaced by its kind's token; `spans` as `find_pii` gives them.

    Example:
        >>> text = "mail ann@example.org from 203.0.113.9"
        >>> scrub(text, find_pii(text))
        'mail [EMAIL] from [IPV4]'
    """
    pieces, position = [], 0
    for span in spans:
        pieces += [text[position : span.start], REPLACEMENTS[span.kind]]
        position = span.end
    return "".join([*pieces, text[position:]])


def _matches(recogniser: Recogniser, text: str) -> Iterator[Span]:
    """A refused candidate costs one character, not its whole length: "1234 4111 ..." may hide a card in its tail."""
    position = 0
    while match := recogniser.pattern.search(text, position):
        accepted = recogniser.accepts(match)
        if accepted is None:
            position = match.start() + 1
        else:
            yield Span(start=accepted[0], end=accepted[1], kind=recogniser.name)
            position = max(accepted[1], match.start() + 1)


def _merged(found: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    longest = 0
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        length = span.end - span.start
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = span.kind if length > longest else last.kind
            longest = max(longest, length)
            merged[-1] = Span(start=last.start, end=max(last.end, span.end), kind=kind)
        else:
            longest = length
            merged.append(span)
    return merged
