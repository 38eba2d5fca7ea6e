"""Shoppers and staff, simulated over HTTP: seeded, concurrent, and ignorant of what may fail.

A session is one journey of one visitor; journeys come in shuffled decks, so every kind takes place equally often.
"""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from examples.shop import habits
from examples.shop.browser import Browser
from examples.shop.fleet import RunningShop
from examples.shop.journeys import JOURNEYS, Memory, Session

WORKERS_A_SHOP = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """What a drive came to."""

    requests: int
    errors: int


@dataclass(slots=True)
class Drive:
    """The sessions of all shops until enough went wrong."""

    seed: int
    errors_wanted: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    sessions: int = 0
    requests: int = 0
    errors: int = 0

    def next_session(self) -> int | None:
        with self.lock:
            if self.errors >= self.errors_wanted:
                return None
            self.sessions += 1
            return self.sessions - 1

    def count(self, browser: Browser) -> None:
        with self.lock:
            self.requests += browser.requests
            self.errors += browser.errors

    def visit(self, port: int, memory: Memory) -> None:
        while (number := self.next_session()) is not None:
            rng = random.Random(f"{self.seed}:{number}")
            browser = Browser(port, rng.choice(habits.AGENTS))
            journey_of(self.seed, number)(Session(browser, rng, memory))
            browser.close()
            self.count(browser)


def journey_of(seed: int, number: int) -> Callable[[Session], None]:
    deck, position = divmod(number, len(JOURNEYS))
    return random.Random(f"{seed}:deck:{deck}").sample(JOURNEYS, len(JOURNEYS))[position]


def drive(shops: Sequence[RunningShop], *, errors: int, seed: int) -> Counts:
    """Visit the shops until they failed ``errors`` times in all; the same seed sends the same visitors."""
    state = Drive(seed, errors)
    with ThreadPoolExecutor(WORKERS_A_SHOP * len(shops)) as pool:
        memories = [(shop.port, Memory(shop.staff_password)) for shop in shops]
        visits = [pool.submit(state.visit, *memory) for memory in memories for _ in range(WORKERS_A_SHOP)]
    for visit in visits:
        visit.result()
    return Counts(state.requests, state.errors)
