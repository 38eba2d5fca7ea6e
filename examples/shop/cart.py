"""The cart: lines, coupons, gift wrap, gift cards, what shipping would cost."""

import json
import secrets
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from examples.shop import pages
from examples.shop.goods import CartLine, CartView
from examples.shop.money import price, to_cents
from examples.shop.notes import During
from examples.shop.web import Page, Shop, Visit, redirect

WRAP_CENTS = {1: 250, 2: 400, 3: 500, 4: 550}


def read_cart(shop: Shop, cart_id: str) -> CartView:
    rows = shop.storage.rows(
        "SELECT product_id, name, quantity, price_cents FROM cart_lines JOIN products ON products.id = product_id"
        " WHERE cart_id = ? ORDER BY name",
        cart_id,
    )
    cart = shop.storage.find("SELECT off_cents FROM carts WHERE id = ?", cart_id)
    return CartView(lines=[CartLine(**dict(row)) for row in rows], off_cents=cart["off_cents"] if cart else 0)


def show_cart(shop: Shop, visit: Visit) -> Page:
    return pages.cart(shop, visit, read_cart(shop, visit.cart_id))


def add_line(shop: Shop, visit: Visit) -> Page:
    quantity = int(visit.form["quantity"])
    product = shop.storage.one("SELECT * FROM products WHERE id = ?", int(visit.form["product_id"]))
    if quantity > product["stock"]:
        return pages.refusal(shop, 409, f"Only {product['stock']} of {product['name']} are left.")
    put_in_cart(shop, visit.cart_id, product["id"], quantity)
    return redirect("/cart", {"cart": visit.cart_id})


def put_in_cart(shop: Shop, cart_id: str, product_id: int, quantity: int) -> None:
    shop.storage.write(
        "INSERT INTO cart_lines (cart_id, product_id, quantity) VALUES (?, ?, ?)"
        " ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = excluded.quantity",
        cart_id,
        product_id,
        quantity,
    )


def add_line_by_api(shop: Shop, visit: Visit) -> Page:
    """The same for the shop's mobile client, which sends JSON."""
    line = json.loads(visit.body)
    with During(f"cart line {line!r}"):
        product_id, quantity = line["product_id"], line["quantity"]
        too_many = quantity > shop.config["most_of_one_product"]
    product = shop.storage.find("SELECT stock FROM products WHERE id = ?", product_id)
    if too_many or product is None or quantity > product["stock"]:
        return Page(content='{"added": false}', status=409, media_type="application/json")
    put_in_cart(shop, visit.cart_id, product_id, quantity)
    return Page(content='{"added": true}', media_type="application/json", cookies={"cart": visit.cart_id})


def remove_line(shop: Shop, visit: Visit) -> Page:
    shop.storage.write(
        "DELETE FROM cart_lines WHERE cart_id = ? AND product_id = ?", visit.cart_id, visit.path["product_id"]
    )
    return redirect("/cart")


def apply_coupon(shop: Shop, visit: Visit) -> Page:
    coupon = shop.storage.find("SELECT * FROM coupons WHERE code = ?", visit.form.get("code", "").strip().upper())
    if coupon is None:
        return pages.refusal(shop, 404, "We do not know this code.")
    validity = valid_for(coupon, datetime.now(UTC), ZoneInfo(shop.config["zone"]))
    view = read_cart(shop, visit.cart_id)
    shares = spread_over_lines(view.lines, coupon["off_cents"])
    shop.storage.write(
        "INSERT INTO carts (id, off_cents) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET off_cents = excluded.off_cents",
        visit.cart_id,
        coupon["off_cents"],
    )
    return pages.coupon(shop, validity, view, shares)


def valid_for(coupon: Any, now: datetime, zone: tzinfo) -> str:
    with During(f"coupon {coupon['code']}, until {coupon['valid_until']}"):
        ends_at = datetime.fromisoformat(coupon["valid_until"])
        left = ends_at - now
        return f"until {ends_at.astimezone(zone):%Y-%m-%d %H:%M}, {left.days} days more"


def spread_over_lines(lines: list[CartLine], off_cents: int) -> list[Fraction]:
    share = Fraction(off_cents, sum(line.amount_cents for line in lines))
    return [share * line.amount_cents for line in lines]


def quote_wrap(shop: Shop, visit: Visit) -> Page:
    view = read_cart(shop, visit.cart_id)
    with During(f"wrap {', '.join(line.name for line in view.lines)}"):
        wrap_cents = WRAP_CENTS[len(view.lines)]
    return pages.message(shop, "Gift wrap", f"Wrapped together: {price(wrap_cents, shop.config['currency'])}")


def show_in_currency(shop: Shop, visit: Visit) -> Page:
    currency = visit.path["currency"]
    if currency not in shop.config["other_currencies"]:
        return pages.refusal(shop, 404, "We do not quote in this currency.")
    total_cents = read_cart(shop, visit.cart_id).total_cents
    converted = shop.suppliers.converted(total_cents, shop.config["currency"], currency)
    return pages.message(shop, "Your cart", f"About {price(converted, currency)}")


def estimate_shipping(shop: Shop, visit: Visit) -> Page:
    country, carrier = visit.query.get("country", ""), visit.query.get("carrier", "")
    if country not in shop.config["countries"] or carrier not in shop.config["carriers"]:
        return pages.refusal(shop, 400, "Choose a country and a carrier from the lists.")
    total_cents = read_cart(shop, visit.cart_id).total_cents
    cost_cents = 0 if is_free(shop.config, country, total_cents) else carrier_cents(shop.config, carrier)
    return pages.message(shop, "Shipping", f"{carrier} to {country}: {price(cost_cents, shop.config['currency'])}")


def is_free(config: dict[str, Any], country: str, total_cents: int) -> bool:
    free_from_cents = config["free_shipping_cents"][country]
    return bool(total_cents >= free_from_cents)


def carrier_cents(config: dict[str, Any], carrier: str) -> int:
    return to_cents(config["carriers"][carrier]["price"])


def buy_gift_card(shop: Shop, visit: Visit) -> Page:
    code = f"GC-{secrets.token_hex(3).upper()}"
    balance_cents = to_cents(visit.form["amount"])
    shop.storage.write("INSERT INTO gift_cards (code, balance_cents) VALUES (?, ?)", code, balance_cents)
    return pages.message(shop, "Gift card", f"Your code is {code}")


def redeem_gift_card(shop: Shop, visit: Visit) -> Page:
    card = shop.storage.one("SELECT * FROM gift_cards WHERE code = ?", visit.form.get("code", "").strip().upper())
    shop.storage.write("UPDATE gift_cards SET balance_cents = 0 WHERE code = ?", card["code"])
    return pages.message(shop, "Gift card", f"{price(card['balance_cents'], shop.config['currency'])} redeemed.")
