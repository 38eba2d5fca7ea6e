"""The supplier gateway: a real HTTP server that mostly answers well, and sometimes the way real ones do.

Truncated JSON, an error page in place of JSON, another encoding, missing or empty fields, wrong types, slow answers.
Which answer comes next is drawn from a shuffled deck per service, so a seed fixes how often each occurs.
"""

import argparse
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from examples.shop.lifeline import end_with_stdin

SLOW_S = 0.5
LOCKER_S = 0.03
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><center>nginx/1.24.0 {}</center></body></html>"
WIRE_TROUBLES = ("cut", "page", "slow", "latin-1")
DECKS: dict[str, tuple[str, ...]] = {
    "rates": ("good",) * 4 + ("cut", "page", "slow", "zero", "zero", "zero", "missing", "missing"),
    "stock": ("good",) * 3 + ("page", "slow", "endless", "endless", "endless", "null", "words", "list"),
    "offers": ("good",) * 3 + ("cut", "slow", "none", "none", "none", "words", "words", "missing"),
    "tracking": ("good",) * 3 + ("page", "slow", "list", "list", "words", "null", "never", "never"),
    "feed": ("good",) * 3 + ("cut", "slow", "latin-1", "latin-1", "latin-1", "nameless", "nameless", "nameless"),
}


class Gateway(ThreadingHTTPServer):
    """Deals the answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.decks: dict[str, list[str]] = {}

    def deal(self, service: str) -> tuple[str, random.Random]:
        with self.lock:
            deck = self.decks.get(service) or self.rng.sample(DECKS[service], len(DECKS[service]))
            trouble = deck.pop()
            self.decks[service] = deck
            return trouble, random.Random(self.rng.random())


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_GET(self) -> None:
        service, _, key = self.path.strip("/").partition("/")
        if service == "lockers":
            time.sleep(LOCKER_S)  # it asks the locker, over a mobile network
            self.send(b"open, free compartments: 7")
            return
        if service not in DECKS:
            self.send(b"{}", 404)
            return
        trouble, rng = self.server.deal(service)
        content = json.dumps(BODIES[service](trouble, key, rng), ensure_ascii=False)
        if trouble == "slow":
            time.sleep(SLOW_S)
        if trouble == "cut":
            content = content[: rng.randint(1, len(content) - 1)]
        if trouble == "page":
            content = rng.choice(("", "Service Unavailable", "{service: " + service + "}", PAGE.format(rng.random())))
        self.send(content.encode("latin-1" if trouble == "latin-1" else "utf-8"))

    def send(self, content: bytes, status: int = 200) -> None:
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            pass  # the shop did not wait
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """No line for every request."""


def rates(trouble: str, key: str, rng: random.Random) -> Any:
    table: dict[str, int] = {
        code: rng.randint(600, 11000) for code in ("EUR", "USD", "GBP", "CHF", "SEK", "JPY") if code != key
    }
    if trouble == "missing":
        table = dict(list(table.items())[:1])
    if trouble == "zero":
        table = dict.fromkeys(table, 0)
    return {"base": key, "per_mille": table}


def stock(trouble: str, key: str, rng: random.Random) -> Any:
    odd: dict[str, Any] = {
        "endless": float("inf"),
        "null": None,
        "words": rng.choice(("n/a", "12 pcs", "")),
        "list": [4],
    }
    return {"sku": key, "stock": odd.get(trouble, rng.randint(0, 400))}


def offers(trouble: str, key: str, rng: random.Random) -> Any:
    price = rng.choice(("on request", "12,40", "EUR 9.10")) if trouble == "words" else f"{rng.uniform(2, 30):.2f}"
    best = {"seller": rng.choice(("Großhandel Süd", "Pacific Wholesale"))}
    if trouble != "missing":
        best["price"] = price
    return {"sku": key, "offers": [] if trouble == "none" else [best]}


def tracking(trouble: str, key: str, rng: random.Random) -> Any:
    eta = rng.choice(("0000-00-00", "tomorrow", "2026-02-30", "")) if trouble == "never" else "2027-01-15"
    good = {"order": key, "parcels": [{"eta": eta, "parcel": f"P{rng.randint(10**6, 10**7)}"}]}
    odd: dict[str, Any] = {"list": [good], "words": "not found", "null": None}
    return odd.get(trouble, good)


def feed(trouble: str, _key: str, rng: random.Random) -> Any:
    number = rng.randint(100, 999)
    name = rng.choice(("Kännchen", "Crème brûlée mélange", "Tasse Größe M", "Maté"))
    return {
        "products": [
            {
                "sku": f"W{number}",
                "name": None if trouble == "nameless" else f"{name} {number}",
                "category": rng.choice(("Accessories", "Tea")),
                "price_cents": rng.randint(200, 4000),
                "stock": rng.randint(5, 90),
                "grams": rng.randint(50, 900),
            }
        ]
    }


BODIES = {"rates": rates, "stock": stock, "offers": offers, "tracking": tracking, "feed": feed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--end-with-stdin", action="store_true", help="for a program that starts gateways")
    arguments = parser.parse_args()
    if arguments.end_with_stdin:
        end_with_stdin()
    gateway = Gateway(arguments.port, arguments.seed)
    print(gateway.server_port, flush=True)
    gateway.serve_forever()


if __name__ == "__main__":
    main()
