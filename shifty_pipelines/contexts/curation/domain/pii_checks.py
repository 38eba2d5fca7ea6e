"""Checks that tell an identifier from a number that looks like one: checksums, ranges, shapes."""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

Bounds = tuple[int, int]

#: First four digits from and to, and lengths, by network (ISO/IEC 7812 ranges as the networks publish them).
CARD_NETWORKS: Sequence[tuple[int, int, Collection[int]]] = (
    (2221, 2720, (16,)),  # Mastercard
    (3000, 3059, range(14, 20)),  # Diners Club
    (3400, 3499, (15,)),  # American Express
    (3528, 3589, range(16, 20)),  # JCB
    (3600, 3699, range(14, 20)),  # Diners Club
    (3700, 3799, (15,)),  # American Express
    (3800, 3999, range(16, 20)),  # Diners Club
    (4000, 4999, (13, 16, 19)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (6011, 6011, range(16, 20)),  # Discover
    (6200, 6299, range(16, 20)),  # UnionPay
    (6440, 6599, range(16, 20)),  # Discover
)

#: The place before "@" in a URL, which is `url_credentials`' own: nothing since "://" that would end it.
_IN_USERINFO = re.compile(r"://[^\s/?#]*\Z")
USERINFO_LENGTH = 128

#: Letters of any alphabet, two or more.
_TOP_LEVEL = re.compile(r"[^\W\d_]{2,}")

#: Total length by country, SWIFT IBAN registry (as schwifty 2026.10.1 carries it; countries outside it have no IBAN).
IBAN_LENGTH: Mapping[str, int] = MappingProxyType(
    {
        country: length
        for length, countries in {
            15: "NO",
            16: "BE",
            18: "DK FI FK FO GL NL SD",
            19: "MK SI",
            20: "AT BA EE KZ LT LU MN XK",
            21: "CH HR LI LV",
            22: "BG BH CR DE GB GE IE ME RS VA",
            23: "AE GI IL IQ OM SO TL",
            24: "AD CZ ES MD PK RO SA SE SK TN VG",
            25: "LY PT ST",
            26: "IS TR",
            27: "BI DJ FR GR IT MC MR SM",
            28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
            29: "BR EG PS QA UA",
            30: "JO KW MU YE",
            31: "MT SC",
            32: "LC",
            33: "RU",
        }.items()
        for country in countries.split()
    }
)


def whole(match: re.Match[str]) -> Bounds:
    """Everything the pattern found, or its group `value`."""
    return match.span("value") if "value" in match.re.groupindex else match.span()


def email(match: re.Match[str]) -> Bounds | None:
    """A top-level domain is letters: `react@18.2.0` is no address. Neither is the password and host of a URL."""
    if _IN_USERINFO.search(match.string, max(match.start() - USERINFO_LENGTH, 0), match.start()):
        return None
    return match.span() if _TOP_LEVEL.fullmatch(match[0].rpartition(".")[2]) else None


def credit_card(match: re.Match[str]) -> Bounds | None:
    """A card number, with or without its last group: "4111 1111 1111 1111 212-555-0199" is a card and a phone."""
    ends = [match.end()] if match["tail"] is None else [match.end(), match.start("tail")]
    return next(((match.start(), end) for end in ends if _is_card(match.string[match.start() : end])), None)


def _is_card(written: str) -> bool:
    """A prefix and length that a network issues, and Luhn's digit (ISO/IEC 7812-1 annex B)."""
    number = written.replace(" ", "").replace("-", "")
    prefix = int(number[:4])
    if not any(low <= prefix <= high and len(number) in lengths for low, high, lengths in CARD_NETWORKS):
        return False
    digits = [int(character) for character in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (doubled + sum(digits[::2])) % 10 == 0


def iban(match: re.Match[str]) -> Bounds | None:
    """ISO 13616: the country's length, and remainder 1 modulo 97. What follows the number in the match is cut off."""
    positions = [i for i, character in enumerate(match[0]) if character != " "]
    length = IBAN_LENGTH.get(match[0][:2], len(positions) + 1)
    if length > len(positions):
        return None
    end = positions[length - 1] + 1
    if match[0][end : end + 1].isalnum():
        return None
    compact = match[0][:end].replace(" ", "")
    as_number = int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4]))
    return (match.start(), match.start() + end) if as_number % 97 == 1 else None


def ip_address(match: re.Match[str]) -> Bounds | None:
    """A valid address that is neither loopback nor unspecified; `a::b`, a name in a namespace, has no digit."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return None
    is_telling = not address.is_loopback and not address.is_unspecified
    return match.span() if is_telling and any(c.isdigit() for c in match[0]) else None
