"""What people type, pick and send: mostly what was meant, sometimes not. Drawn from a seeded generator."""

import random
from datetime import date, timedelta

from examples.shop.browser import typed

FIRST_NAMES = ("Ana", "Jürgen", "Søren", "Łukasz", "Mei", "Zoë", "Noah", "Amélie", "Ravi", "O'Neil", "李", "Fatma")
LAST_NAMES = ("Müller", "Nowak", "Smith", "Dubois", "García", "Østergaard", "Tanaka", "Patel", "Brown", "Yilmaz")
STREETS = ("Main St", "Hafenstraße", "Rue de la Paix", "ul. Długa", "Kongens Gade", "Elm Ave", "Calle Mayor")
CITIES = ("Hamburg", "Portland", "Kraków", "København", "Lyon", "Toronto", "Zürich", "Oslo", "Seattle", "Bergen")
WORDS = ("Espresso", "tea", "Sencha", "mug", "blend", "decaf", "Mühle", "chocolate", "pods", "grinder", "oat milk")
PRAISE = ("Lovely ☕", "très bon!", "Sehr gut, aber teuer", "👍👍", "ok", "弊店でも使います", "too bitter for me…")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1)", "okhttp/4.12 ShopApp/3.2")


def often(rng: random.Random, usual: tuple[str, ...], odd: tuple[str, ...], share: float) -> str:
    """One of ``odd`` in ``share`` of all cases, else one of ``usual``."""
    return rng.choice(odd if rng.random() < share else usual)


def name(rng: random.Random) -> str:
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def quantity(rng: random.Random) -> str:
    count = rng.randint(2, 30)
    minus = ("0", "-1", "-2", f"-{count}")
    words = (f"{count} pcs", f"{count}x", "", f"{count},5", "two", f"{count}.0")
    return often(rng, ("1", "1", "2", "3"), rng.choice((words, minus, minus)), 0.6)


def amount(rng: random.Random) -> str:
    whole = rng.randint(1, 90)
    odd = (
        f"{whole},50",
        f"€{whole}",
        f"{whole} EUR",
        "",
        f"{whole}.-",
        f"${whole}",
        "9" * rng.randint(20, 30),
        f"1e{rng.randint(320, 400)}",
    )
    return often(rng, (f"{whole}", f"{whole}.50", f"{whole}.9"), odd, 0.5)


def sort_key(rng: random.Random) -> str:
    return often(
        rng, ("name", "price_cents", "stock"), ("price", "popularity", "newest", "rating", "price_asc", ""), 0.4
    )


def columns(rng: random.Random) -> str:
    known = rng.sample(("name", "price_cents", "stock", "grams", "sku", "category"), rng.randint(1, 3))
    extra = rng.choice(("colour", "rating", "weight", "origin", "roast", "price")) if rng.random() < 0.5 else ""
    return ",".join([*known, extra] if extra else known)


def id_list(rng: random.Random, ids: list[int]) -> str:
    return ",".join(str(number) for number in ids) + often(rng, ("",), (",", " and 3", ";"), 0.25)


def address(rng: random.Random, country: str) -> dict[str, str]:
    """A filled-in form; the old app and autofill leave a field out now and then."""
    fields = {
        "name": name(rng),
        "street": f"{rng.choice(STREETS)} {rng.randint(1, 220)}",
        "postcode": str(rng.randint(10000, 99999)),
        "city": rng.choice(CITIES),
        "phone": f"+{rng.randint(1, 98)} {rng.randint(10**6, 10**8)}",
        "country": country,
    }
    if rng.random() < 0.2:
        del fields[rng.choice(("name", "street", "postcode", "city", "phone"))]
    return fields


def gift_code(rng: random.Random) -> str:
    return f"GC-{rng.randrange(16**6):06X}"


def api_line(rng: random.Random, product_id: int) -> str:
    """What several generations of the mobile client send."""
    count = rng.randint(1, 3)
    good = typed({"product_id": product_id, "quantity": count})
    odd = (
        typed({"product_id": product_id, "quantity": str(count)}),
        good[: rng.randint(0, len(good) - 1)],
        typed({"product_id": product_id, "quantity": None}),
        typed({"product_id": product_id, "quantity": [count]}),
        typed({"product_id": product_id, "quantity": {"value": count}}),
        typed({"product_id": product_id, "qty": count}),
        typed({"product": product_id, "quantity": count}),
        typed([product_id, count]),
        good[: rng.randint(0, len(good) - 1)],
        good.replace('"', "'"),
        f"product_id={product_id}&quantity={count}",
        good.replace("}", ",}"),
    )
    return often(rng, (good,), odd, 0.6)


def stars(rng: random.Random) -> str:
    return often(rng, ("3", "4", "5"), ("0", "6", "10", "4.5", "five", "-1"), 0.35)


def turn_of_clocks(year: int) -> list[date]:
    """The Sundays on which Europe and North America change their clocks."""
    return [
        last_sunday(date(year, 3, 31)),
        last_sunday(date(year, 10, 31)),
        last_sunday(date(year, 3, 14)),
        last_sunday(date(year, 11, 7)),
    ]


def last_sunday(until: date) -> date:
    return until - timedelta(days=until.isoweekday() % 7)


def day(rng: random.Random) -> date:
    """Any day of the next years, those around a change of clocks more often than others."""
    year = rng.randint(2027, 2034)
    if rng.random() < 0.6:
        return rng.choice(turn_of_clocks(year))
    return date(year, 1, 1) + timedelta(days=rng.randrange(365))


def month_day(rng: random.Random) -> date:
    """When subscriptions begin: the first, the middle and the last of a month are what people pick."""
    first = date(rng.randint(2027, 2033), rng.randint(1, 12), 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return rng.choice((first, first + timedelta(days=14), last, last, date(rng.choice((2028, 2032)), 2, 29)))


def written_day(rng: random.Random, picked: date) -> str:
    forms = ("%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%d %b %Y")
    return picked.strftime(rng.choice(forms))


def valid_until(rng: random.Random) -> str:
    """A date-time field gives no zone, the office's script gives one, an old sheet has the last day of all."""
    at = f"{rng.randint(2028, 2033)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return rng.choice((f"{at}T23:59", at, f"{at}T23:59:00+00:00", "9999-12-31T23:59:59+00:00"))


def product_file(rng: random.Random) -> bytes:
    """A sheet exported by somebody's spreadsheet: encodings, separators and columns vary."""
    lines = ["sku;name;category;price;stock;grams"]
    for _ in range(rng.randint(2, 3)):
        label = rng.choice(("Café crème", "Grüntee", "Tasse weiß", "Mug", "Filter", "Piñata Blend"))
        number = rng.randint(1000, 9999)
        category, price = rng.choice(("Coffee", "Tea", "Accessories", "Samples")), rng.uniform(3, 30)
        price *= category != "Samples"
        lines.append(f"X{number};{label} {number};{category};{price:.2f};{rng.randint(5, 60)};250")
    if rng.random() < 0.3:
        lines.append(odd_line(rng))
    return "\n".join(lines).encode(often(rng, ("utf-8", "utf-8-sig"), ("latin-1", "cp1252"), 0.3))


def odd_line(rng: random.Random) -> str:
    number = rng.randint(1000, 9999)
    return rng.choice(
        (
            f"X{number};Mug;Accessories;12,90;4;300",
            f"X{number};Filter",
            f"X{number};Beans;Coffee;9.90;many;500",
            f"X{number};Beans;Coffee;9.90;-{rng.randint(1, 9)};500",
            f"X{number};Beans;Coffee;9.90",
            "",
        )
    )
