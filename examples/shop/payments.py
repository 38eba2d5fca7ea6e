"""Ways to pay; each answers with the status its order starts in."""


def card(total_cents: int) -> str:
    return "paid" if total_cents else "free"


def invoice(total_cents: int) -> str:
    return "awaiting payment" if total_cents else "free"


def voucher(total_cents: int) -> str:
    return "awaiting voucher" if total_cents else "free"
