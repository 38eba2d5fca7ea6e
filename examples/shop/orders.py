"""A customer's orders: history, one order, tracking, ordering the same again, subscriptions."""

from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from examples.shop import pages
from examples.shop.cart import put_in_cart
from examples.shop.notes import During
from examples.shop.web import Page, Shop, Visit, redirect


def history(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    zone = zone_of(shop.storage.one("SELECT zone FROM customers WHERE id = ?", visit.customer_id)["zone"])
    orders = orders_of(shop, visit.customer_id)
    return pages.order_history(shop, [(order, placed(order, zone)) for order in orders])


def zone_of(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def orders_of(shop: Shop, customer_id: int) -> list[Any]:
    return shop.storage.rows("SELECT * FROM orders WHERE customer_id = ? ORDER BY placed_at", customer_id)


def placed(order: Any, zone: Any) -> str:
    with During(f"order {order['id']} of {order['placed_at']}"):
        local: Any = datetime.fromisoformat(order["placed_at"]).astimezone(zone)
        return f"{local:%Y-%m-%d %H:%M} ({local.tzinfo.key})"


def own_order(shop: Shop, visit: Visit) -> Any:
    return shop.storage.find(
        "SELECT * FROM orders WHERE id = ? AND customer_id = ?", visit.path["order_id"], visit.customer_id
    )


def show_order(shop: Shop, visit: Visit) -> Page:
    order = own_order(shop, visit)
    if order is None:
        return pages.refusal(shop, 404, "This is none of your orders.")
    return pages.order(shop, order, lines_of(shop, order["id"]))


def lines_of(shop: Shop, order_id: int) -> list[Any]:
    return shop.storage.rows("SELECT * FROM order_lines WHERE order_id = ?", order_id)


def track(shop: Shop, visit: Visit) -> Page:
    order = own_order(shop, visit)
    if order is None:
        return pages.refusal(shop, 404, "This is none of your orders.")
    arrival = shop.suppliers.arrival(order["id"])
    return pages.message(shop, "Tracking", f"Expected {arrival:%Y-%m-%d}" if arrival else "Not yet on its way.")


def order_again(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    order = last_order(orders_of(shop, visit.customer_id), visit.customer_id)
    for line in lines_of(shop, order["id"]):
        same = still_sold(shop, line["product_id"])
        put_in_cart(shop, visit.cart_id, same["id"], line["quantity"])
    return redirect("/cart", {"cart": visit.cart_id})


def last_order(orders: list[Any], customer_id: int) -> Any:
    with During(f"last of {len(orders)} orders of customer {customer_id}"):
        return orders[-1]


def still_sold(shop: Shop, product_id: int) -> Any:
    return shop.storage.one("SELECT id FROM products WHERE id = ?", product_id)


def cancel(shop: Shop, visit: Visit) -> Page:
    order = own_order(shop, visit)
    if order is None or order["status"] == "cancelled":
        return pages.refusal(shop, 409, "There is nothing to cancel.")
    shop.storage.write("UPDATE orders SET status = 'cancelled' WHERE id = ?", order["id"])
    return redirect(f"/orders/{order['id']}")


def subscribe(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    start, every = visit.form.get("start", ""), visit.form.get("every", "month")
    following = next_delivery(start, every)
    product = shop.storage.one("SELECT id, name FROM products WHERE id = ?", int(visit.form["product_id"]))
    shop.storage.write(
        "INSERT INTO subscriptions (customer_id, product_id, next_on) VALUES (?, ?, ?)",
        visit.customer_id,
        product["id"],
        following.isoformat(),
    )
    return pages.message(shop, "Subscription", f"{product['name']} on {start}, then on {following}")


def next_delivery(start: str, every: str) -> date:
    with During(f"from {start} every {every}"):
        first = date.fromisoformat(start)
        if every == "year":
            return first.replace(year=first.year + 1)
        return first.replace(month=first.month + 1)
