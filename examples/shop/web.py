"""What a request handler is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.shop.storage import Storage
from examples.shop.suppliers import Suppliers


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPayment:
    """A priced cart that waits for its buyer to confirm."""

    cart_id: str
    country: str
    address: str
    total_cents: int


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Product ids of a category, in shelf order, as read a few seconds ago."""

    ids: list[int]
    read_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One tenant's shop: its settings, its data, its suppliers, and what it keeps in memory."""

    config: dict[str, Any]
    folder: Path
    storage: Storage
    suppliers: Suppliers
    pending: dict[str, PendingPayment] = field(default_factory=dict)
    shelves: dict[str, Shelf] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request, read."""

    path: Mapping[str, Any]
    query: Mapping[str, str]
    form: Mapping[str, str]
    upload: bytes
    body: bytes
    cart_id: str
    customer_id: int | None
    is_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer."""

    content: str
    status: int = 200
    media_type: str = "text/html"
    location: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Shop, Visit], Page]


def redirect(location: str, cookies: Mapping[str, str] | None = None) -> Page:
    return Page(content="", status=303, location=location, cookies=cookies or {})
