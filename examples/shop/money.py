"""Amounts are whole cents."""

from fractions import Fraction


def to_cents(text: str) -> int:
    return round(float(text) * 100)


def price(cents: int | Fraction, currency: str) -> str:
    return f"{float(cents) / 100:,.2f} {currency}"
