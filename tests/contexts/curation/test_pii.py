import itertools
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.pii import (
    DEFAULT_KINDS,
    RECOGNISERS,
    REPLACEMENTS,
    Span,
    find_pii,
    scrub,
)
from shifty_pipelines.contexts.curation.domain.pii_checks import IBAN_LENGTH

ALL_KINDS = frozenset(REPLACEMENTS)

#: Published test values: card numbers of the networks' test suites, IBANs of the SWIFT registry's examples, the SSN
#: that the Social Security Administration withdrew, addresses reserved for documentation (RFC 5737, RFC 3849), numbers
#: reserved for fiction (555-01xx), AWS's documented example keys, the JWT of RFC 7519 section 3.1.
CANARIES = {
    "email": [
        "ann@example.org",
        "ann.b+tag@mail.example.co.uk",
        "o'brien@example.ie",
        "名前@example.jp",
        "a_b%c@xn--bcher-kva.example",
    ],
    "phone": [
        "+1 212-555-0199",
        "+49 (0)30 901820",
        "+442079460958",
        "(212) 555-0199",
        "212-555-0199",
        "1.212.555.0199",
        "tel: 030 901820",
    ],
    "ipv4": ["203.0.113.9", "192.0.2.255", "10.1.2.3"],
    "ipv6": [
        "2001:db8::1",
        "2001:0db8:0000:0000:0000:ff00:0042:8329",
        "fe80::1ff:fe23:4567:890a",
        "::ffff:192.0.2.128",
    ],
    "mac_address": ["00:1A:2b:3C:4d:5E", "00-1a-2b-3c-4d-5e"],
    "credit_card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
    ],
    "iban": [
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
    ],
    "ssn": ["078-05-1120"],
    "url_credentials": ["user:secret", "x-access-token:abc", "deploy"],
    "url_token": ["abc123", "%2Fsecret", "eyJ"],
    "jwt": [
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9.dBjftJeZ4CVP-mB92K27uhb",
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAi",
    ],
    "aws_access_key": ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"],
    "aws_secret_key": ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
    "api_key": [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2c3" * 5,
        "xoxb-" + "123456789012-abc",
        "sk_live_" + "a1B2" * 6,
        "AIza" + "a1B2c3D" * 5,
    ],
    "bearer_token": ["0a1b2c3d4e5f60718293", "mF_9.B5f-4.1JqM+/x~=="],
    "private_key": [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1c7\nabc=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2,
    ],
    "uuid": ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
}

#: Where a canary is told by what stands around it.
SURROUNDINGS = {
    "url_credentials": "cloning https://{}@git.example.org/repo failed",
    "url_token": "GET https://app.example.org/x?page=2&access_token={}&lang=en",
    "aws_secret_key": "aws_secret_access_key = {}\nregion = eu",
    "bearer_token": "Authorization: Bearer {}, then 401",
}
PLAIN_SURROUNDINGS = [
    "{}",
    "saw {} today",
    "({})",
    "user={};next",
    '"{}"',
    "value: {}.",
    "first\n{}\nlast",
    "<{}>",
    "{}, ok",
]

PLANTED = [
    pytest.param(kind, canary, frame, id=f"{kind} {n} in {frame!r}")
    for kind, canaries in CANARIES.items()
    for n, canary in enumerate(canaries)
    for frame in ([SURROUNDINGS[kind]] if kind in SURROUNDINGS else PLAIN_SURROUNDINGS)
]


def test_every_kind_has_canaries_and_every_canary_a_kind() -> None:
    assert set(CANARIES) == ALL_KINDS


@pytest.mark.parametrize(("kind", "canary", "frame"), PLANTED)
def test_a_planted_canary_is_found_and_gone(kind: str, canary: str, frame: str) -> None:
    text = frame.format(canary)

    spans = find_pii(text, kinds=ALL_KINDS)

    at = text.index(canary)
    secret = slice(at + 5, at + len(canary)) if canary.startswith("tel: ") else slice(at, at + len(canary))
    assert any(span.start <= secret.start and secret.stop <= span.end and span.kind == kind for span in spans)
    assert text[secret] not in scrub(text, spans)


def test_no_canary_hides_another_one() -> None:
    plain = [canary for kind, canaries in CANARIES.items() if kind not in SURROUNDINGS for canary in canaries]
    leaks = []
    for first, second in itertools.product(plain, repeat=2):
        text = f"{first} {second}"
        scrubbed = scrub(text, find_pii(text, kinds=ALL_KINDS))
        leaks += [(canary, text) for canary in (first, second) if canary.removeprefix("tel: ") in scrubbed]

    assert leaks == []


INNOCENT = [
    "Error 404 at 12:30:45, 2024-01-15T10:20:30.123Z, build 1234567890",
    "std::vector<int> a::b Foo::Bar ::before https://example.org/a@b",
    "decorator @app.route and image@2x.5 npm react@18.2.0 user@localhost",
    "listening on 127.0.0.1:3000 and ::1 and 0.0.0.0",
    "version 1.2.3.4.5 and 300.1.1.1 and 1.2.3",
    "id 46283860790870 2501999793529 516770465071103 9400000000000000008",
    "order 4111111111111112 and 1234 5678 9012 3456",
    "DE89370400440532013001 AB12 CDEF GHIJ KLMN in hex DEAD BEEF",
    "ssn 000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
    "GET /x?page=2&monkey=1&sort=key#section",
    "commit 2f1c9e0d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e bearer of news",
    "eyJhbGc is a prefix; AKIA123 is too short; sk_test_ is empty",
    "123-456-7890",
    "aa:bb:cc:dd:ee 00:11:22:33:44:55:66:77:88",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_an_identifier_stays(text: str) -> None:
    assert scrub(text, find_pii(text)) == text


def test_a_uuid_goes_only_when_asked_for() -> None:
    text = "item f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

    assert find_pii(text) == []
    assert find_pii(text, kinds={"uuid"}) == [Span(start=5, end=41, kind="uuid")]
    assert ALL_KINDS.difference(DEFAULT_KINDS) == {"uuid"}


def test_only_the_kinds_asked_for_are_found() -> None:
    assert [span.kind for span in find_pii("ann@example.org 203.0.113.9", kinds={"ipv4"})] == ["ipv4"]


def test_the_scrubbed_text_tells_what_stood_there() -> None:
    text = "ann@example.org paid with 4111 1111 1111 1111 from 203.0.113.9"

    assert scrub(text, find_pii(text)) == "[EMAIL] paid with [CREDIT_CARD] from [IPV4]"


def test_a_card_behind_other_digits_is_found() -> None:
    text = "ref 1234 4111 1111 1111 1111"

    assert scrub(text, find_pii(text)) == "ref 1234 [CREDIT_CARD]"


def test_a_card_before_other_digits_is_found() -> None:
    text = "4111 1111 1111 1111 212-555-0199"

    assert scrub(text, find_pii(text)) == "[CREDIT_CARD] [PHONE]"


def test_an_iban_ends_where_its_country_says() -> None:
    text = "BE68 5390 0754 7034 NEXT and DE89 3704 0044 0532 0130 00 BIC"

    assert scrub(text, find_pii(text)) == "[IBAN] NEXT and [IBAN] BIC"


def test_an_address_as_a_user_name_is_part_of_the_credentials() -> None:
    text = "https://ann@example.org:secret@git.example.org/x"

    assert scrub(text, find_pii(text)) == "https://[URL_CREDENTIALS]@git.example.org/x"


def test_overlapping_findings_become_one_span_over_both() -> None:
    text = "GET /x?token=ann@example.org;next"

    (span,) = find_pii(text)

    assert text[span.start : span.end] == "ann@example.org;next"
    assert span.kind == "url_token"  # the longer of the two


@pytest.mark.parametrize(
    ("text", "whole", "kind"),
    [
        pytest.param("+1 2345678901 203.0.113.9", "+1 2345678901 203.0.113.9", "phone", id="the first is longer"),
        pytest.param(
            "at (212) 555-0199.ann.b@example.org", "(212) 555-0199.ann.b@example.org", "email", id="the second"
        ),
    ],
)
def test_findings_that_overlap_in_part_leave_nothing_of_either(text: str, whole: str, kind: str) -> None:
    (span,) = find_pii(text)

    assert (text[span.start : span.end], span.kind) == (whole, kind)


def test_an_address_right_behind_another_is_found() -> None:
    assert scrub("ann@example.org%bob@example.org", find_pii("ann@example.org%bob@example.org")) == "[EMAIL]%[EMAIL]"


def test_a_key_without_its_end_goes_up_to_the_last_full_line() -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + ("A" * 64 + "\n") * 3 + "then it crashed"

    assert scrub(text, find_pii(text)) == "[PRIVATE_KEY]then it crashed"


@given(
    st.lists(
        st.one_of(
            st.sampled_from([c for canaries in CANARIES.values() for c in canaries]),
            st.text(alphabet="aA1 .:@-+/?&=<>[]\n", max_size=12),
        ),
        max_size=12,
    ).map(" ".join)
)
@settings(max_examples=300, deadline=None)
def test_spans_are_sorted_apart_and_inside_and_scrubbing_twice_changes_nothing(text: str) -> None:
    spans = find_pii(text, kinds=ALL_KINDS)

    edges = [position for span in spans for position in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    scrubbed = scrub(text, spans)
    assert scrub(scrubbed, find_pii(scrubbed, kinds=ALL_KINDS)) == scrubbed


def test_no_replacement_is_itself_a_finding() -> None:
    for recogniser in RECOGNISERS:
        assert find_pii(f"x {recogniser.replacement} y", kinds=ALL_KINDS) == []


def test_iban_lengths_lie_in_the_standards_range() -> None:
    """ISO 13616: at most 34 characters."""
    assert all(15 <= length <= 34 and len(country) == 2 for country, length in IBAN_LENGTH.items())
    assert len(IBAN_LENGTH) > 80


HOSTILE = [
    "a",
    "1",
    " ",
    "'",
    "a@",
    "a.",
    "x@a.",
    "1.",
    "1 ",
    "+1",
    "aa:",
    "4111 ",
    "DE89 ",
    "eyJaaaaaaaa.",
    "?a-a-a-a-a-a-",
    "://",
    "tel: ",
    "bearer ",
    "-----BEGIN PRIVATE KEY-----",
    "é",
]


def test_hostile_lines_of_a_megabyte_do_not_hang() -> None:
    """Linear work on a megabyte is seconds a line; quadratic work, 10^12 steps, is hours: the child would be killed."""
    program = (
        "import sys; from shifty_pipelines.contexts.curation.domain.pii import RECOGNISERS, find_pii\n"
        "kinds = [row.name for row in RECOGNISERS]\n"
        "for piece in sys.argv[1:]: find_pii(piece * (1_000_000 // len(piece)), kinds=kinds)\n"
    )
    subprocess.run([sys.executable, "-c", program, *HOSTILE], check=True, timeout=300)
