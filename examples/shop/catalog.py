"""Browsing: lists, search, a product, comparisons, reviews."""

import time
from operator import attrgetter
from typing import Any

from examples.shop import pages
from examples.shop.goods import Product
from examples.shop.money import to_cents
from examples.shop.notes import During
from examples.shop.web import Page, Shelf, Shop, Visit, redirect

PAGE_SIZES = (3, 6, 12)
SHELF_AGE_S = 2.0


def home(shop: Shop, visit: Visit) -> Page:
    categories = [row["category"] for row in shop.storage.rows("SELECT DISTINCT category FROM products ORDER BY 1")]
    codes = [row["code"] for row in shop.storage.rows("SELECT code FROM coupons ORDER BY code")]
    return pages.home(shop, visit, categories, codes)


def in_category(shop: Shop, category: str) -> list[Product]:
    rows = shop.storage.rows("SELECT * FROM products WHERE category = ? OR ? = '' ORDER BY name", category, category)
    return [Product(**dict(row)) for row in rows]


def list_products(shop: Shop, visit: Visit) -> Page:
    category = visit.query.get("category", "")
    sort = visit.query.get("sort", "name")
    per_page = whole(visit.query.get("per_page", ""), PAGE_SIZES[-1])
    if per_page not in PAGE_SIZES:
        return pages.refusal(shop, 400, f"A page shows {PAGE_SIZES} products.")
    products = sorted(in_category(shop, category), key=attrgetter(sort))
    return page_of(shop, visit, products, per_page)


def page_of(shop: Shop, visit: Visit, products: list[Product], per_page: int) -> Page:
    last = len(products) // per_page + 1
    page = min(whole(visit.query.get("page", ""), 1), last)
    shown = products[(page - 1) * per_page : page * per_page]
    with During(f"page {page} of {last}, {per_page} a page, in {visit.query.get('category', 'all')}"):
        heading = f"{shown[0].name} to {shown[-1].name}"
    return pages.product_list(shop, visit, heading, shown, last)


def whole(text: str, default: int) -> int:
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 10 else default


def search(shop: Shop, visit: Visit) -> Page:
    words = visit.query.get("q", "")
    found = [product for product in in_category(shop, "") if words.lower() in product.name.lower()]
    if "max_price" in visit.query:
        limit_cents = to_cents(visit.query["max_price"])
        found = [product for product in found if product.price_cents <= limit_cents]
    return pages.search_results(shop, visit, found, price_range(words, found))


def price_range(words: str, found: list[Product]) -> tuple[int, int]:
    with During(f"search {words}: {len(found)} found"):
        return min(product.price_cents for product in found), max(product.price_cents for product in found)


def product_of(shop: Shop, visit: Visit) -> Any:
    return shop.storage.find("SELECT * FROM products WHERE id = ?", visit.path["product_id"])


def show_product(shop: Shop, visit: Visit) -> Page:
    row = product_of(shop, visit)
    if row is None:
        return pages.refusal(shop, 404, "This product is no longer sold.")
    product = Product(**dict(row))
    return pages.product(shop, visit, product, neighbours(shop, product))


def neighbours(shop: Shop, product: Product) -> tuple[int, int]:
    """The ids before and after on the shelf, which ends where it begins."""
    shelf = shelf_of(shop, product.category)
    with During(f"shelf {product.category}, read {time.monotonic() - shelf.read_at_s:.1f} s ago"):
        position = shelf.ids.index(product.id)
    return shelf.ids[position - 1], shelf.ids[(position + 1) % len(shelf.ids)]


def shelf_of(shop: Shop, category: str) -> Shelf:
    shelf = shop.shelves.get(category)
    now_s = time.monotonic()
    if shelf is None or now_s - shelf.read_at_s > SHELF_AGE_S:
        shelf = Shelf(ids=[product.id for product in in_category(shop, category)], read_at_s=now_s)
        shop.shelves[category] = shelf
    return shelf


def compare(shop: Shop, visit: Visit) -> Page:
    columns = visit.query.get("show", "name,price_cents").split(",")
    wanted = wanted_ids(visit.query.get("ids", ""))
    by_id = {product.id: product for product in in_category(shop, "")}
    table = [[str(getattr(by_id.get(product_id), column)) for column in columns] for product_id in wanted]
    return pages.comparison(shop, columns, table)


def wanted_ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def availability(shop: Shop, visit: Visit) -> Page:
    row = product_of(shop, visit)
    if row is None:
        return pages.refusal(shop, 404, "This product is no longer sold.")
    return pages.message(
        shop, "Availability", f"{row['stock']} here, {shop.suppliers.stock(row['sku'])} at our supplier."
    )


def show_reviews(shop: Shop, visit: Visit) -> Page:
    row = product_of(shop, visit)
    if row is None:
        return pages.refusal(shop, 404, "This product is no longer sold.")
    reviews = shop.storage.rows("SELECT stars, text FROM reviews WHERE product_id = ?", row["id"])
    return pages.reviews(shop, row, reviews, average_stars(row["name"], [review["stars"] for review in reviews]))


def average_stars(name: str, stars: list[int]) -> float:
    with During(f"reviews of {name!r}"):
        return sum(stars) / len(stars)


def write_review(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    if product_of(shop, visit) is None:
        return pages.refusal(shop, 404, "This product is no longer sold.")
    save_review(shop, visit, visit.customer_id)
    return redirect(f"/products/{visit.path['product_id']}/reviews")


def save_review(shop: Shop, visit: Visit, customer_id: int) -> None:
    shop.storage.write(
        "INSERT OR REPLACE INTO reviews (product_id, customer_id, stars, text) VALUES (?, ?, ?, ?)",
        visit.path["product_id"],
        customer_id,
        int(visit.form["stars"]),
        visit.form["text"],
    )
