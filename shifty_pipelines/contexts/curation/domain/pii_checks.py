"""Checks that tell an identifier from a number that looks like one: checksums, ranges, shapes."""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

Bounds = tuple[int, int]

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
    """A top-level domain is letters: `decorator@v1.2` and `image@2x.5` are none."""
    return match.span() if _TOP_LEVEL.fullmatch(match[0].rpartition(".")[2]) else None


def credit_card(match: re.Match[str]) -> Bounds | None:
    """Luhn's digit (ISO/IEC 7812-1 annex B) and a first digit that card networks use: 2 to 6."""
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return match.span() if digits[0] in range(2, 7) and (doubled + sum(digits[-1::-2])) % 10 == 0 else None


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
