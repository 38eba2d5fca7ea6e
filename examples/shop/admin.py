"""What the shop's staff do: products, coupons, imports, the supplier's feed, orders, figures."""

import csv
import hmac
from datetime import date, timedelta
from typing import Any

from examples.shop import admin_pages, pages
from examples.shop.money import to_cents
from examples.shop.notes import During
from examples.shop.storage import Storage
from examples.shop.web import Handler, Page, Shop, Visit, redirect

ORDERS_A_PAGE = 20


def show_login(shop: Shop, _visit: Visit) -> Page:
    return admin_pages.login_form(shop)


def login(shop: Shop, visit: Visit) -> Page:
    if not hmac.compare_digest(visit.form.get("password", "").encode(), shop.config["admin_password"].encode()):
        return pages.refusal(shop, 401, "The password is wrong.")
    return redirect("/admin", {"admin": shop.config["admin_password"]})


def staff_only(handler: Handler) -> Handler:
    def guarded(shop: Shop, visit: Visit) -> Page:
        return handler(shop, visit) if visit.is_admin else redirect("/admin/login")

    return guarded


def show_products(shop: Shop, _visit: Visit) -> Page:
    return admin_pages.products(shop, shop.storage.rows("SELECT * FROM products ORDER BY id"))


def show_orders(shop: Shop, visit: Visit) -> Page:
    before = visit.query.get("before", "")
    rows = shop.storage.rows(
        "SELECT orders.*, customers.name FROM orders JOIN customers ON customers.id = customer_id"
        " WHERE ? = '' OR orders.id < CAST(? AS INTEGER) ORDER BY orders.id DESC LIMIT ?",
        before,
        before,
        ORDERS_A_PAGE,
    )
    return admin_pages.orders(shop, rows)


def change_price(shop: Shop, visit: Visit) -> Page:
    price_cents = to_cents(visit.form["price"])
    shop.storage.write("UPDATE products SET price_cents = ? WHERE id = ?", price_cents, visit.path["product_id"])
    return redirect("/admin")


def delete_product(shop: Shop, visit: Visit) -> Page:
    shop.storage.write("DELETE FROM products WHERE id = ?", visit.path["product_id"])
    return redirect("/admin")


def best_offer(shop: Shop, visit: Visit) -> Page:
    row = shop.storage.find("SELECT sku FROM products WHERE id = ?", visit.path["product_id"])
    if row is None:
        return pages.refusal(shop, 404, "This product is no longer sold.")
    return pages.message(shop, "Best offer", f"{shop.suppliers.offer_cents(row['sku'])} cents")


def add_coupon(shop: Shop, visit: Visit) -> Page:
    shop.storage.write(
        "INSERT OR REPLACE INTO coupons (code, off_cents, valid_until) VALUES (?, ?, ?)",
        visit.form["code"].strip().upper(),
        to_cents(visit.form["off"]),
        visit.form["valid_until"],
    )
    return redirect("/admin")


def import_products(shop: Shop, visit: Visit) -> Page:
    text = visit.upload.decode("utf-8")
    with shop.storage.transaction():
        count = add_products(shop.storage, text)
    return pages.message(shop, "Import", f"{count} products taken over.")


def add_products(storage: Storage, text: str) -> int:
    """Take over ``sku;name;category;price;stock;grams`` lines; how many there were."""
    lines = list(csv.reader(text.splitlines(), delimiter=";"))[1:]
    for number, line in enumerate(lines, start=2):
        with During(f"line {number}: {line}"):
            add_product(storage, line)
    return len(lines)


def add_product(storage: Storage, line: list[str]) -> None:
    storage.write(
        "INSERT INTO products (sku, name, category, price_cents, stock, grams) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT"
        " (sku) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents, stock = excluded.stock",
        line[0].strip(),
        line[1].strip(),
        line[2].strip(),
        to_cents(line[3]),
        int(line[4]),
        int(line[5]),
    )


def sync_feed(shop: Shop, _visit: Visit) -> Page:
    return pages.message(shop, "Supplier feed", f"{shop.suppliers.sync(shop.storage)} products taken over.")


def report(shop: Shop, visit: Visit) -> Page:
    since = date.fromisoformat(visit.query["since"])
    until = date.fromisoformat(visit.query["until"])
    sums = shop.storage.one(
        "SELECT COUNT(*) AS count, SUM(total_cents) AS revenue, AVG(total_cents) AS mean, MAX(total_cents) AS largest"
        " FROM orders WHERE placed_at >= ? AND placed_at < ? AND (? = '' OR country = ?)",
        since.isoformat(),
        (until + timedelta(days=1)).isoformat(),
        visit.query.get("country", ""),
        visit.query.get("country", ""),
    )
    figure = (
        per_day(sums["count"], since, until)
        if visit.query["figure"] == "pace"
        else figures(sums, visit.query["figure"])
    )
    return pages.message(shop, f"{since} to {until}", figure)


def per_day(count: int, since: date, until: date) -> str:
    with During(f"{count} orders from {since} to {until}"):
        return f"{count // (until - since).days} orders a day"


def figures(sums: Any, figure: str) -> str:
    if figure == "revenue":
        return f"{sums['revenue'] / 100} in all"
    if figure == "mean":
        return f"{round(sums['mean'])} cents an order"
    return f"{sums['largest']:d} cents at most"
