"""SQLite behind the shop: the schema, and the few ways to query it. Every error carries its statement and values."""

import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from examples.shop.notes import During

SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, category TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0), stock INTEGER NOT NULL CHECK (stock >= 0),
    grams INTEGER NOT NULL);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password_hash BLOB NOT NULL,
    zone TEXT NOT NULL);
CREATE TABLE sessions (token TEXT PRIMARY KEY, customer_id INTEGER NOT NULL);
CREATE TABLE carts (id TEXT PRIMARY KEY, off_cents INTEGER NOT NULL DEFAULT 0);
CREATE TABLE cart_lines (
    cart_id TEXT NOT NULL, product_id INTEGER NOT NULL, quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (cart_id, product_id));
CREATE TABLE coupons (code TEXT PRIMARY KEY, off_cents INTEGER NOT NULL, valid_until TEXT NOT NULL);
CREATE TABLE gift_cards (code TEXT PRIMARY KEY, balance_cents INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, cart_id TEXT NOT NULL UNIQUE, customer_id INTEGER NOT NULL, country TEXT NOT NULL,
    address TEXT NOT NULL, total_cents INTEGER NOT NULL, method TEXT NOT NULL, placed_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'open');
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL, product_id INTEGER NOT NULL, name TEXT NOT NULL, quantity INTEGER NOT NULL,
    price_cents INTEGER NOT NULL);
CREATE TABLE reviews (
    product_id INTEGER NOT NULL, customer_id INTEGER NOT NULL, stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text TEXT NOT NULL, PRIMARY KEY (product_id, customer_id));
CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, product_id INTEGER NOT NULL, next_on TEXT NOT NULL);
CREATE TABLE slots (day TEXT NOT NULL, wall_time TEXT NOT NULL, free INTEGER NOT NULL, UNIQUE (day, wall_time));
CREATE TABLE locker_bookings (customer_id INTEGER NOT NULL, starts_at TEXT NOT NULL);
"""
BUSY_TIMEOUT_S = 10.0


class Storage:
    """One database file; each server thread has a connection of its own, in autocommit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @property
    def connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            self._local.connection = connection
        held: sqlite3.Connection = self._local.connection
        return held

    def create(self) -> None:
        self.connection.executescript(SCHEMA)

    def rows(self, statement: str, *values: object) -> list[Any]:
        with During(f"[{statement} <- {values!r}]"):
            return self.connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        """The row that is known to be there."""
        with During(f"[{statement} <- {values!r}]"):
            return self.connection.execute(statement, values).fetchall()[0]

    def find(self, statement: str, *values: object) -> Any:
        """The row, or None."""
        return next(iter(self.rows(statement, *values)), None)

    def write(self, statement: str, *values: object) -> int:
        """The id of the row written last."""
        with During(f"[{statement} <- {values!r}]"):
            return self.connection.execute(statement, values).lastrowid or 0

    def transaction(self) -> "Transaction":
        return Transaction(self.connection)


class Transaction:
    """All of its writes or none; takes SQLite's one write lock at once, so that it never has to be upgraded."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self.connection.execute("COMMIT" if error is None else "ROLLBACK")
        return False
