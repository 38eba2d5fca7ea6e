"""The customers' pages."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

from examples.shop import html
from examples.shop.goods import CartView, Product
from examples.shop.money import price
from examples.shop.web import Page, Shop, Visit

SORTS = ("name", "price_cents", "stock")


def message(shop: Shop, title: str, sentence: str) -> Page:
    return html.page(shop, title, f'<p data-testid="message">{html.text(sentence)}</p>')


def refusal(shop: Shop, status: int, sentence: str) -> Page:
    return html.page(shop, "Sorry", f'<p role="alert" data-testid="refusal">{html.text(sentence)}</p>', status)


def home(shop: Shop, visit: Visit, categories: Sequence[str], codes: Sequence[str]) -> Page:
    shelves = html.items(
        "categories",
        [html.link(f"/products?{urlencode({'category': name})}", name, f"category-{name}") for name in categories],
    )
    promotions = html.items(
        "promotions",
        [html.link(f"/promotions/{name}", name, f"promotion-{name}") for name in shop.config["promotions"]],
    )
    welcome = "Welcome back" if visit.customer_id else "Welcome"
    coupons = html.items("coupon-codes", [f"<code>{html.text(code)}</code>" for code in codes])
    legal = html.items("legal", [html.link(f"/legal/{name}", name, f"legal-{name}") for name in shop.config["legal"]])
    lockers = html.items("lockers", [html.link(f"/lockers/{name}", name, "locker") for name in shop.config["lockers"]])
    shelves = f"<h2>Shelves</h2>{shelves}<h2>Promotions</h2>{promotions}<h2>Coupons</h2>{coupons}"
    return html.page(shop, welcome, f"{shelves}<h2>Lockers</h2>{lockers}<h2>Good to know</h2>{legal}")


def product_list(shop: Shop, visit: Visit, heading: str, products: Sequence[Product], last: int) -> Page:
    query = dict(visit.query)
    sorts = html.items(
        "sorts",
        [html.link(f"/products?{urlencode({**query, 'sort': key})}", f"by {key}", f"sort-{key}") for key in SORTS],
    )
    ends = html.link(f"/products?{urlencode({**query, 'page': 1})}", "first page", "first-page") + html.link(
        f"/products?{urlencode({**query, 'page': last})}", "last page", "last-page"
    )
    return html.page(shop, heading, f'{sorts}{product_items(shop, products)}<nav aria-label="Pages">{ends}</nav>')


def product_items(shop: Shop, products: Sequence[Product]) -> str:
    return html.items(
        "products",
        [
            f"<article>{html.link(f'/products/{product.id}', product.name, f'product-{product.id}')} "
            f'<span data-testid="price">{price(product.price_cents, shop.config["currency"])}</span></article>'
            for product in products
        ],
    )


def search_results(shop: Shop, visit: Visit, products: Sequence[Product], prices: tuple[int, int]) -> Page:
    facet = html.form(
        "/search",
        "price-filter",
        html.hidden("q", visit.query.get("q", "")) + html.field("max_price", "At most", value=prices[1] / 100),
        "Filter",
        method="get",
    )
    return html.page(shop, f"{len(products)} found", facet + product_items(shop, products))


def product(shop: Shop, visit: Visit, product: Product, neighbours: tuple[int, int]) -> Page:
    buy = html.form(
        "/cart/add",
        "add-to-cart",
        html.hidden("product_id", product.id) + html.field("quantity", "Quantity", "number", 1),
        "Add to cart",
    )
    subscribe = html.form(
        "/subscriptions",
        "subscribe",
        html.hidden("product_id", product.id)
        + html.field("start", "First delivery", "date")
        + html.select("every", "Every", ["month", "year"]),
        "Subscribe",
    )
    links = html.items(
        "product-links",
        [
            html.link(f"/products/{product.id}/reviews", "Reviews", "reviews-link"),
            html.link(f"/products/{product.id}/availability", "Availability", "availability-link"),
            html.link(f"/products/{neighbours[0]}", "Previous", "previous-product"),
            html.link(f"/products/{neighbours[1]}", "Next", "next-product"),
        ],
    )
    facts = f'<p data-testid="price">{price(product.price_cents, shop.config["currency"])}, {product.grams} g</p>'
    return html.page(shop, product.name, facts + buy + (subscribe if visit.customer_id else "") + links)


def comparison(shop: Shop, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Page:
    return html.page(
        shop, "Compare", html.table("comparison", columns, [[html.text(cell) for cell in row] for row in rows])
    )


def reviews(shop: Shop, product: Any, reviews: Sequence[Any], average: float) -> Page:
    entries = [f"<blockquote>{html.text(row['text'])}</blockquote> {row['stars']} of 5" for row in reviews]
    write = html.form(
        f"/products/{product['id']}/reviews",
        "review",
        html.select("stars", "Stars", range(1, 6)) + html.field("text", "What do you think?"),
        "Send",
    )
    return html.page(shop, f"{product['name']}: {average:.1f} stars", html.items("reviews", entries) + write)


def cart(shop: Shop, visit: Visit, view: CartView) -> Page:
    currency = shop.config["currency"]
    lines = html.table(
        "cart-lines",
        ["Product", "Quantity", "Amount", ""],
        [
            [
                html.link(f"/products/{line.product_id}", line.name, "cart-product"),
                line.quantity,
                price(line.amount_cents, currency),
                html.form(f"/cart/{line.product_id}/remove", f"remove-{line.product_id}", "", "Remove"),
            ]
            for line in view.lines
        ],
    )
    total = f'<p>Total <strong data-testid="cart-total">{price(view.total_cents, currency)}</strong></p>'
    coupon_form = html.form("/cart/coupon", "coupon", html.field("code", "Coupon"), "Apply")
    shipping = html.form(
        "/cart/shipping",
        "shipping",
        html.select("country", "Country", shop.config["countries"])
        + html.select("carrier", "Carrier", shop.config["carriers"]),
        "Estimate shipping",
        method="get",
    )
    more = [html.link("/cart/wrap", "Gift wrap", "wrap-link"), html.link("/checkout", "Check out", "checkout-link")]
    more += [html.link(f"/cart/in/{code}", f"in {code}", f"in-{code}") for code in shop.config["other_currencies"]]
    more += [
        html.link(f"/checkout/instalments?plan={plan}", f"pay {plan}", f"plan-{plan}")
        for plan in shop.config["instalments"]
    ]
    title = "Your cart" if visit.customer_id else "Your cart (not signed in)"
    return html.page(shop, title, lines + total + coupon_form + shipping + html.items("cart-links", more))


def coupon(shop: Shop, validity: str, view: CartView, shares: Sequence[Fraction]) -> Page:
    rows = [
        [html.text(line.name), price(share, shop.config["currency"])]
        for line, share in zip(view.lines, shares, strict=True)
    ]
    return html.page(shop, f"Coupon {validity}", html.table("coupon-shares", ["Product", "Off"], rows))


def checkout_form(shop: Shop, view: CartView) -> Page:
    fields = (
        html.field("name", "Name")
        + html.field("street", "Street")
        + html.field("postcode", "Postcode")
        + html.field("city", "City")
        + html.field("phone", "Phone", "tel")
        + html.select("country", "Country", shop.config["countries"])
    )
    return html.page(
        shop,
        f"Check out {price(view.total_cents, shop.config['currency'])}",
        html.form("/checkout", "checkout", fields, "Go on to payment"),
    )


def confirm_form(shop: Shop, payment_id: str, total_cents: int) -> Page:
    fields = html.hidden("payment", payment_id) + html.radios("method", "Pay by", shop.config["payment_methods"])
    return html.page(
        shop,
        f"To pay: {price(total_cents, shop.config['currency'])}",
        html.form("/checkout/confirm", "confirm", fields, "Place the order"),
    )


def order_history(shop: Shop, orders: Sequence[tuple[Any, str]]) -> Page:
    rows = [
        [
            html.link(f"/orders/{row['id']}", f"#{row['id']}", f"order-{row['id']}"),
            html.text(placed),
            price(row["total_cents"], shop.config["currency"]),
            html.text(row["status"]),
        ]
        for row, placed in orders
    ]
    again = html.form("/orders/again", "order-again", "", "Order the last one again")
    return html.page(shop, "Your orders", html.table("orders", ["Order", "Placed", "Total", "Status"], rows) + again)


def order(shop: Shop, order: Any, lines: Sequence[Any]) -> Page:
    rows = [[html.text(line["name"]), line["quantity"], price(line["price_cents"], "")] for line in lines]
    actions = html.link(f"/orders/{order['id']}/tracking", "Track", "tracking-link") + html.form(
        f"/orders/{order['id']}/cancel", "cancel", "", "Cancel this order"
    )
    title = f"Order {order['id']}: {order['status']}"
    return html.page(shop, title, html.table("order-lines", ["Product", "Quantity", "Price"], rows) + actions)


def delivery_day(shop: Shop, day: date, slots: Sequence[Any], hours: Sequence[str]) -> Page:
    entries = [f'<time datetime="{day}T{row["wall_time"]}">{row["wall_time"]}</time>' for row in slots]
    book = html.form(
        "/delivery/locker",
        "locker",
        html.hidden("day", day) + html.select("hour", "Locker from", [hour[-5:] for hour in hours]),
        "Book a locker",
    )
    return html.page(shop, f"Delivery on {day}", html.items("slots", entries) + book)


def sign_up_form(shop: Shop) -> Page:
    fields = (
        html.field("name", "Name")
        + html.field("email", "E-mail", "email")
        + html.field("password", "Password", "password")
        + html.select("zone", "Your time zone", shop.config["customer_zones"])
    )
    return html.page(shop, "New account", html.form("/signup", "signup", fields, "Create the account"))


def login_form(shop: Shop) -> Page:
    fields = html.field("email", "E-mail", "email") + html.field("password", "Password", "password")
    more = html.link("/signup", "I am new here", "signup-link")
    return html.page(shop, "Sign in", html.form("/login", "login", fields, "Sign in") + more)
