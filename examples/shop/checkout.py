"""From a cart to an order: address, tax, instalments, confirmation."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from examples.shop import pages, payments
from examples.shop.cart import read_cart
from examples.shop.goods import CartLine
from examples.shop.money import price
from examples.shop.web import Page, PendingPayment, Shop, Visit, redirect

PENDING_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where it goes."""

    name: str
    street: str
    postcode: str
    city: str
    phone: str
    country: str

    def one_line(self) -> str:
        return f"{self.name}, {self.street}, {self.postcode} {self.city}, {self.country} ({self.phone})"


def show_form(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    return pages.checkout_form(shop, read_cart(shop, visit.cart_id))


def start(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    if visit.form.get("country") not in shop.config["countries"]:
        return pages.refusal(shop, 400, "We do not deliver there.")
    view = read_cart(shop, visit.cart_id)
    if not view.lines:
        return pages.refusal(shop, 409, "Your cart is empty.")
    address = read_address(visit.form)
    total_cents = view.total_cents + tax_cents(shop.config, address.country, view.total_cents)
    payment_id = f"pay-{secrets.token_hex(4)}"
    shop.pending[payment_id] = PendingPayment(
        cart_id=visit.cart_id, country=address.country, address=address.one_line(), total_cents=total_cents
    )
    forget_oldest(shop.pending)
    return pages.confirm_form(shop, payment_id, total_cents)


def read_address(form: Any) -> Address:
    return Address(
        name=form["name"],
        street=form["street"],
        postcode=form["postcode"],
        city=form["city"],
        phone=form["phone"],
        country=form["country"],
    )


def tax_cents(config: dict[str, Any], country: str, total_cents: int) -> int:
    return total_cents * int(config["tax_pct"][country]) // 100


def forget_oldest(pending: dict[str, PendingPayment]) -> None:
    for payment_id in list(pending)[:-PENDING_MOST]:
        pending.pop(payment_id, None)


def confirm(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    if visit.form.get("method") not in shop.config["payment_methods"]:
        return pages.refusal(shop, 400, "Choose one of the ways to pay.")
    payment = take_pending(shop, visit.form.get("payment", ""))
    status = pay(visit.form["method"], payment.total_cents)
    lines = read_cart(shop, payment.cart_id).lines
    with shop.storage.transaction():
        order_id = write_order(shop, visit, payment, status)
        for line in lines:
            take_from_stock(shop, order_id, line)
    shop.storage.write("DELETE FROM cart_lines WHERE cart_id = ?", payment.cart_id)
    return redirect(f"/orders/{order_id}", {"cart": secrets.token_hex(8)})


def take_pending(shop: Shop, payment_id: str) -> PendingPayment:
    return shop.pending.pop(payment_id)


def pay(method: str, total_cents: int) -> str:
    settle = getattr(payments, method)
    return str(settle(total_cents))


def write_order(shop: Shop, visit: Visit, payment: PendingPayment, status: str) -> int:
    return shop.storage.write(
        "INSERT INTO orders (cart_id, customer_id, country, address, total_cents, method, placed_at, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        payment.cart_id,
        visit.customer_id,
        payment.country,
        payment.address,
        payment.total_cents,
        visit.form["method"],
        datetime.now(UTC).isoformat(timespec="seconds"),
        status,
    )


def take_from_stock(shop: Shop, order_id: int, line: CartLine) -> None:
    shop.storage.write("UPDATE products SET stock = stock - ? WHERE id = ?", line.quantity, line.product_id)
    shop.storage.write(
        "INSERT INTO order_lines (order_id, product_id, name, quantity, price_cents) VALUES (?, ?, ?, ?, ?)",
        order_id,
        line.product_id,
        line.name,
        line.quantity,
        line.price_cents,
    )


def show_instalments(shop: Shop, visit: Visit) -> Page:
    plan = visit.query.get("plan", "")
    if plan not in shop.config["instalments"]:
        return pages.refusal(shop, 404, "We do not offer this plan.")
    rate = instalment(read_cart(shop, visit.cart_id).total_cents, shop.config["instalments"][plan])
    return pages.message(shop, "Instalments", f"{price(rate, shop.config['currency'])} a month")


def instalment(total_cents: int, months: int) -> Fraction:
    return Fraction(total_cents, months)
