"""What is sold, and what is in a cart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """A row of the catalogue."""

    id: int
    sku: str
    name: str
    category: str
    price_cents: int
    stock: int
    grams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """So many of one product, at today's price."""

    product_id: int
    name: str
    quantity: int
    price_cents: int

    @property
    def amount_cents(self) -> int:
        return self.quantity * self.price_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class CartView:
    """A cart as it stands."""

    lines: list[CartLine]
    off_cents: int

    @property
    def goods_cents(self) -> int:
        return sum(line.amount_cents for line in self.lines)

    @property
    def total_cents(self) -> int:
        return max(self.goods_cents - self.off_cents, 0)
