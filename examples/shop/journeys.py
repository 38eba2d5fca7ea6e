"""What one visitor does in one session: journeys through the shop, each in the order a person would take.

A journey follows links, fills in the forms it finds, and types what habits.py makes up. All sessions of a shop share a
memory (bookmarks, accounts), which is why they meet what others changed.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from examples.shop import habits
from examples.shop.browser import Answer, Browser

BOOKMARKS_MOST = 400


@dataclass(slots=True)
class Memory:
    """What the visitors of one shop know between sessions."""

    staff_password: str
    bookmarks: list[int] = field(default_factory=list)
    sessions: list[dict[str, str]] = field(default_factory=list)
    staff: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """One visitor on one journey."""

    browser: Browser
    rng: random.Random
    memory: Memory

    def look_around(self) -> Answer:
        page = self.browser.get("/products")
        self.memory.bookmarks.extend(page.products())
        del self.memory.bookmarks[:-BOOKMARKS_MOST]
        return page

    def bookmark(self) -> int:
        if not self.memory.bookmarks or self.rng.random() < 0.1:
            self.look_around()
        return self.rng.choice(self.memory.bookmarks or [1])

    def fresh_products(self) -> list[int]:
        links = self.browser.get("/").links("/products?category")
        category = self.rng.choice(links) if links else "/products"
        page = self.browser.send("GET", category)
        if self.rng.random() < 0.5:
            page = self.browser.send("GET", self.rng.choice(page.links("/products?") or ["/products"]))
        self.memory.bookmarks.extend(page.products())
        return page.products() or [self.bookmark()]

    def sign_in(self, *, again: float = 0.75) -> None:
        """Come back with a cookie, or open an account; the button is sometimes pressed twice."""
        if self.memory.sessions and self.rng.random() < again:
            self.browser.cookies.update(self.rng.choice(self.memory.sessions))
            return
        zones = self.browser.get("/signup").options("zone")
        fields = {
            "name": habits.name(self.rng),
            "email": f"visitor{self.rng.randrange(10**7)}@example.org",
            "password": f"pw-{self.rng.randrange(10**6)}",
            "zone": self.rng.choice(zones or ["UTC"]),
        }
        if self.rng.random() < 0.3:
            self.twice("/signup", fields)
        else:
            self.browser.post("/signup", **fields)
        if "session" in self.browser.cookies:
            self.memory.sessions.append({"session": self.browser.cookies["session"]})

    def twice(self, path: str, fields: dict[str, str]) -> None:
        """Press the button, and again before the page is there."""
        tab = self.browser.twin()
        other = threading.Thread(target=tab.post, args=(path,), kwargs=fields)
        other.start()
        self.browser.post(path, **fields)
        other.join()
        self.browser.requests += tab.requests
        self.browser.errors += tab.errors
        tab.close()

    def enter_staff(self) -> Browser:
        if not self.memory.staff:
            self.browser.post("/admin/login", password=self.memory.staff_password)
            self.memory.staff = {"admin": self.browser.cookies.get("admin", "")}
        self.browser.cookies.update(self.memory.staff)
        return self.browser

    def fill_cart(self, most: int = 3) -> None:
        products = self.fresh_products()
        for product_id in self.rng.sample(products, min(len(products), self.rng.randint(1, most))):
            self.browser.post("/cart/add", product_id=product_id, quantity=self.rng.randint(1, 4))


def browse(session: Session) -> None:
    browser, rng = session.browser, session.rng
    per_page = rng.choice((3, 6, 12))
    category = rng.choice(browser.get("/").links("/products?category") or ["/products?category="])
    page = browser.send("GET", f"{category}&per_page={per_page}")
    browser.send("GET", next(iter(page.links("/products?")[-1:]), "/products"))
    page = browser.get("/products", per_page=rng.choice((3, 6, 12)))
    browser.send("GET", next(iter(page.links("/products?")[-1:]), "/products"))
    browser.send("GET", f"{category}&sort={habits.sort_key(rng)}")
    if page.products():
        product_id = rng.choice(page.products())
        browser.get(f"/products/{product_id}")
        if rng.random() < 0.6:
            browser.get(f"/products/{product_id}/reviews")


def look_up(session: Session) -> None:
    browser, rng = session.browser, session.rng
    browser.get("/search", q=rng.choice(habits.WORDS))
    words = rng.choice(habits.WORDS)
    browser.get("/search", q=words, max_price=habits.amount(rng))
    for wanted in (session.fresh_products()[:3], [session.bookmark(), session.bookmark()]):
        browser.send("GET", f"/compare?ids={habits.id_list(rng, wanted)}&show={habits.columns(rng)}")
    browser.get(f"/products/{session.bookmark()}")


def check_stock(session: Session) -> None:
    for product_id in session.rng.sample(session.fresh_products() * 2, 2):
        session.browser.get(f"/products/{product_id}/availability")


def fill_and_quote(session: Session) -> None:
    browser, rng = session.browser, session.rng
    browser.post("/cart/add", product_id=session.bookmark(), quantity=habits.quantity(rng))
    page = browser.get("/cart")
    for _ in range(2):
        countries = page.options("country") or [""]
        country = rng.choice(countries[:1] if rng.random() < 0.4 else countries)
        browser.get("/cart/shipping", country=country, carrier=rng.choice(page.options("carrier") or [""]))
    session.fill_cart(9)
    browser.get("/cart/wrap")
    browser.send("GET", rng.choice(page.links("/cart/in/") or ["/cart"]))
    browser.send("GET", rng.choice(page.links("/checkout/instalments") or ["/cart"]))


def use_coupon(session: Session) -> None:
    browser, rng = session.browser, session.rng
    codes = browser.get("/").codes()
    if rng.random() < 0.5:
        session.fill_cart(2)
    else:
        samples = browser.get("/products", category="Samples").products()
        browser.post("/cart/add", product_id=rng.choice(samples or [1]), quantity=1)
    browser.post("/cart/coupon", code=rng.choice(codes or ["NONE"]))


def buy(session: Session) -> None:
    browser, rng = session.browser, session.rng
    session.sign_in()
    session.fill_cart()
    form = browser.get("/checkout")
    countries = form.options("country") or [""]
    country = countries[0] if rng.random() < 0.4 else rng.choice(countries)
    pages = [browser.post("/checkout", **habits.address(rng, country))]
    if rng.random() < 0.6:  # a second tab of the same cart
        pages.append(browser.post("/checkout", **habits.address(rng, countries[0])))
    for page in pages:
        confirm(session, page)
    browser.get("/orders")


def confirm(session: Session, page: Answer) -> None:
    browser, rng = session.browser, session.rng
    methods = page.options("method")
    if not methods:
        return
    method = rng.choice(methods[:2]) if rng.random() < 0.6 else rng.choice(methods)
    fields = {"payment": page.value("payment"), "method": method}
    if rng.random() < 0.25:
        session.twice("/checkout/confirm", fields)
    else:
        browser.post("/checkout/confirm", **fields)


def come_back(session: Session) -> None:
    """An old tab is still open: put what it shows into the cart, compare it, look for the next product."""
    browser, rng = session.browser, session.rng
    tab = session.memory.bookmarks[: BOOKMARKS_MOST // 4] or [session.bookmark()]
    for product_id in rng.sample(tab, min(len(tab), 2)):
        browser.post("/cart/add", product_id=product_id, quantity=1)
    ids = habits.id_list(rng, [rng.choice(tab) for _ in range(2)])
    browser.send("GET", f"/compare?ids={ids}&show={habits.columns(rng)}")
    browser.get("/cart")


def stock_up(session: Session) -> None:
    """Two colleagues order most of what is left of the same product."""
    browser, rng = session.browser, session.rng
    session.sign_in()
    product_id = rng.choice(session.fresh_products())
    tab = Browser(browser.port, browser.agent, {"session": browser.cookies.get("session", "")})
    pages = []
    for buyer in (browser, tab):
        for count in (40, 25, 15, 8):
            if buyer.post("/cart/add", product_id=product_id, quantity=count).status == 303:
                break
        form = buyer.get("/checkout")
        pages.append(buyer.post("/checkout", **habits.address(rng, next(iter(form.options("country")), ""))))
    for buyer, page in zip((browser, tab), pages, strict=True):
        buyer.post("/checkout/confirm", payment=page.value("payment"), method=next(iter(page.options("method")), ""))
    browser.requests += tab.requests
    browser.errors += tab.errors
    tab.close()


def look_after_orders(session: Session) -> None:
    browser, rng = session.browser, session.rng
    session.sign_in(again=0.8)
    history = browser.get("/orders")
    numbers = history.links("/orders/")
    if numbers:
        order = rng.choice(numbers)
        browser.send("GET", order)
        for _ in range(3):
            browser.send("GET", f"{order}/tracking")
        if rng.random() < 0.2:
            browser.post(f"{order}/cancel")
    browser.post("/orders/again")


def subscribe(session: Session) -> None:
    session.sign_in(again=0.95)
    product_id = session.bookmark()
    every = session.rng.choice(("month", "month", "year"))
    session.browser.post("/subscriptions", product_id=product_id, start=habits.month_day(session.rng), every=every)


def review(session: Session) -> None:
    session.sign_in(again=0.95)
    path = f"/products/{session.rng.choice(session.fresh_products())}/reviews"
    session.browser.post(path, stars=habits.stars(session.rng), text=session.rng.choice(habits.PRAISE))


def use_app(session: Session) -> None:
    for _ in range(2):
        session.browser.post_json("/api/cart", habits.api_line(session.rng, session.bookmark()))


def give(session: Session) -> None:
    browser, rng = session.browser, session.rng
    browser.post("/gift-cards", amount=habits.amount(rng))
    if rng.random() < 0.5:
        browser.post("/gift-cards/redeem", code=habits.gift_code(rng))


def choose_delivery(session: Session) -> None:
    browser, rng = session.browser, session.rng
    session.sign_in(again=0.95)
    browser.get("/delivery", day=habits.written_day(rng, habits.day(rng)))
    for _ in range(4):
        hour = rng.choice(range(24)) if rng.random() < 0.3 else rng.choice((1, 2, 2, 23))  # lockers are for the night
        browser.post("/delivery/locker", day=habits.day(rng), hour=f"{hour:02}:00")


def read_on(session: Session) -> None:
    browser, rng = session.browser, session.rng
    page = browser.get("/")
    for prefix in rng.sample(("/legal/", "/promotions/", "/lockers/"), 2):
        browser.send("GET", rng.choice(page.links(prefix) or ["/"]))


def keep_products(session: Session) -> None:
    """Staff change prices, take products out, put new ones in."""
    browser, rng = session.enter_staff(), session.rng
    products = browser.get("/admin").products()
    if len(products) > 15:
        for product_id in rng.sample(products, 5):
            browser.post(f"/admin/products/{product_id}/delete")
    browser.post(f"/admin/products/{rng.choice(products or [1])}", price=habits.amount(rng))
    for _ in range(2):
        browser.upload("/admin/import", "products.csv", habits.product_file(rng))
    for product_id in browser.get("/admin").products()[-1:]:
        browser.get(f"/products/{product_id}")


def keep_coupons(session: Session) -> None:
    browser, rng = session.enter_staff(), session.rng
    if rng.random() < 0.5:
        code = f"{rng.choice(('SPRING', 'TEAM', 'VIP', 'NEWS'))}{rng.randint(10, 99)}"
        browser.post("/admin/coupons", code=code, off=rng.randint(2, 9), valid_until=habits.valid_until(rng))
    browser.post("/admin/slots", day=habits.day(rng))
    browser.post("/admin/slots", day=habits.day(rng))


def keep_suppliers(session: Session) -> None:
    browser, rng = session.enter_staff(), session.rng
    for _ in range(2):
        browser.post("/admin/sync")
    for product_id in rng.sample(browser.get("/admin").products() or [1, 2], 2):
        browser.get(f"/admin/products/{product_id}/offer")


def read_figures(session: Session) -> None:
    browser, rng = session.enter_staff(), session.rng
    browser.get("/admin/orders")
    countries = browser.get("/admin").options("country")
    today = datetime.now(UTC).date()
    for figure in ("pace", rng.choice(("revenue", "mean", "largest"))):
        until = today - timedelta(days=rng.choice((0, 0, 0, 1, 2, 7)))
        since = until - timedelta(days=rng.choice((0, 0, 1, 7)))
        country = rng.choice(countries or [""])
        browser.get("/admin/report", since=since, until=until, country=country, figure=figure)


JOURNEYS: tuple[Callable[[Session], None], ...] = (
    browse,
    browse,
    look_up,
    check_stock,
    fill_and_quote,
    fill_and_quote,
    use_coupon,
    use_coupon,
    buy,
    buy,
    buy,
    stock_up,
    come_back,
    look_after_orders,
    look_after_orders,
    subscribe,
    subscribe,
    review,
    use_app,
    use_app,
    give,
    choose_delivery,
    choose_delivery,
    choose_delivery,
    read_on,
    read_on,
    keep_products,
    keep_products,
    keep_coupons,
    keep_coupons,
    keep_suppliers,
    read_figures,
    read_figures,
)
