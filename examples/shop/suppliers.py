"""The services the shop asks over HTTP: exchange rates, wholesale stock and offers, parcel tracking, product feed."""

import json
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

from examples.shop.money import to_cents
from examples.shop.notes import During
from examples.shop.storage import Storage


@dataclass(frozen=True, slots=True)
class Suppliers:
    """Host and port of the supplier gateway, and how long an answer may take."""

    host: str
    port: int
    timeout_s: float

    def fetch(self, path: str, timeout_s: float) -> bytes:
        connection = HTTPConnection(self.host, self.port, timeout=timeout_s)
        with During(f"GET {path}, at most {timeout_s:g} s"):
            try:
                connection.request("GET", path)
                return connection.getresponse().read()
            finally:
                connection.close()

    def ask(self, path: str) -> Any:
        content = self.fetch(path, self.timeout_s)
        with During(f"{len(content)} bytes from {path}"):
            return json.loads(content.decode())

    def converted(self, cents: int, base: str, currency: str) -> Fraction:
        answer = self.ask(f"/rates/{base}")
        with During(f"{cents} cents from {base} to {currency}"):
            return Fraction(cents * 1000, answer["per_mille"][currency])

    def stock(self, sku: str) -> int:
        answer = self.ask(f"/stock/{quote(sku)}")
        with During(f"wholesale stock of {sku}"):
            return int(answer["stock"])

    def offer_cents(self, sku: str) -> int:
        answer = self.ask(f"/offers/{quote(sku)}")
        with During(f"best offer for {sku}"):
            best = answer["offers"][0]
            return to_cents(best["price"])

    def arrival(self, order_id: int) -> date | None:
        answer = self.ask(f"/tracking/{order_id}")
        with During(f"parcels of order {order_id}"):
            parcels = answer.get("parcels", [])
            arrivals = [date.fromisoformat(parcel["eta"]) for parcel in parcels]
        return max(arrivals, default=None)

    def sync(self, storage: Storage) -> int:
        """Take over the wholesaler's new products; how many there were."""
        feed = self.ask("/feed")
        for entry in feed["products"]:
            storage.write(
                "INSERT INTO products (sku, name, category, price_cents, stock, grams) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents",
                entry["sku"],
                entry.get("name"),
                entry["category"],
                entry["price_cents"],
                entry["stock"],
                entry["grams"],
            )
        return len(feed["products"])
