"""The shop as an ASGI application: routes, reading a request, sending an answer."""

import secrets
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.shop import accounts, admin, cart, catalog, checkout, orders, shipping
from examples.shop.reporting import Release, Reporter, ReportErrors
from examples.shop.storage import Storage
from examples.shop.suppliers import Suppliers
from examples.shop.web import Handler, Page, Shop, Visit

Endpoint = Callable[[Request], Awaitable[Response]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", catalog.home),
    ("GET", "/products", catalog.list_products),
    ("GET", "/search", catalog.search),
    ("GET", "/compare", catalog.compare),
    ("GET", "/products/{product_id:int}", catalog.show_product),
    ("GET", "/products/{product_id:int}/availability", catalog.availability),
    ("GET", "/products/{product_id:int}/reviews", catalog.show_reviews),
    ("POST", "/products/{product_id:int}/reviews", catalog.write_review),
    ("GET", "/cart", cart.show_cart),
    ("POST", "/cart/add", cart.add_line),
    ("POST", "/cart/{product_id:int}/remove", cart.remove_line),
    ("POST", "/cart/coupon", cart.apply_coupon),
    ("GET", "/cart/wrap", cart.quote_wrap),
    ("GET", "/cart/in/{currency}", cart.show_in_currency),
    ("GET", "/cart/shipping", cart.estimate_shipping),
    ("POST", "/api/cart", cart.add_line_by_api),
    ("POST", "/gift-cards", cart.buy_gift_card),
    ("POST", "/gift-cards/redeem", cart.redeem_gift_card),
    ("GET", "/checkout", checkout.show_form),
    ("POST", "/checkout", checkout.start),
    ("POST", "/checkout/confirm", checkout.confirm),
    ("GET", "/checkout/instalments", checkout.show_instalments),
    ("GET", "/orders", orders.history),
    ("POST", "/orders/again", orders.order_again),
    ("GET", "/orders/{order_id:int}", orders.show_order),
    ("GET", "/orders/{order_id:int}/tracking", orders.track),
    ("POST", "/orders/{order_id:int}/cancel", orders.cancel),
    ("POST", "/subscriptions", orders.subscribe),
    ("GET", "/delivery", shipping.show_day),
    ("POST", "/delivery/locker", shipping.book_locker),
    ("GET", "/lockers/{locker}", shipping.show_locker),
    ("GET", "/signup", accounts.show_sign_up),
    ("POST", "/signup", accounts.sign_up),
    ("GET", "/login", accounts.show_login),
    ("POST", "/login", accounts.login),
    ("POST", "/logout", accounts.logout),
    ("GET", "/legal/{name}", accounts.show_legal),
    ("GET", "/promotions/{name}", accounts.show_promotion),
    ("GET", "/admin/login", admin.show_login),
    ("POST", "/admin/login", admin.login),
    ("GET", "/admin", admin.staff_only(admin.show_products)),
    ("GET", "/admin/orders", admin.staff_only(admin.show_orders)),
    ("POST", "/admin/products/{product_id:int}", admin.staff_only(admin.change_price)),
    ("POST", "/admin/products/{product_id:int}/delete", admin.staff_only(admin.delete_product)),
    ("GET", "/admin/products/{product_id:int}/offer", admin.staff_only(admin.best_offer)),
    ("POST", "/admin/coupons", admin.staff_only(admin.add_coupon)),
    ("POST", "/admin/import", admin.staff_only(admin.import_products)),
    ("POST", "/admin/slots", admin.staff_only(shipping.open_slots)),
    ("POST", "/admin/sync", admin.staff_only(admin.sync_feed)),
    ("GET", "/admin/report", admin.staff_only(admin.report)),
)


def open_shop(config_path: Path, database: Path, supplier_host: str, supplier_port: int) -> Shop:
    """A shop with the tenant's settings and opening stock, on a new database."""
    config = tomllib.loads(config_path.read_text(encoding="utf-8"))
    storage = Storage(database)
    storage.create()
    admin.add_products(storage, (config_path.parent / config["products"]).read_text(encoding="utf-8"))
    for code, coupon in config["coupons"].items():
        storage.write("INSERT INTO coupons VALUES (?, ?, ?)", code, coupon["off_cents"], coupon["valid_until"])
    suppliers = Suppliers(supplier_host, supplier_port, config["supplier_timeout_s"])
    return Shop(config=config, folder=config_path.parent, storage=storage, suppliers=suppliers)


def build_app(shop: Shop, reporter: Reporter, release: Release) -> Starlette:
    routes = [Route(path, endpoint(shop, handler), methods=[method]) for method, path, handler in ROUTES]

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "shop": shop.config["name"], "reports": reporter.counts()})

    return Starlette(
        routes=[Route("/health", health), *routes],
        middleware=[Middleware(ReportErrors, reporter=reporter, release=release)],
    )


def endpoint(shop: Shop, handler: Handler) -> Endpoint:
    async def answer(request: Request) -> Response:
        visit = await read_visit(shop, request)
        return response_of(await run_in_threadpool(handler, shop, visit))

    return answer


async def read_visit(shop: Shop, request: Request) -> Visit:
    body = await request.body()
    form: dict[str, str] = {}
    upload = b""
    if "form" in request.headers.get("content-type", ""):
        for name, value in (await request.form()).items():
            if isinstance(value, UploadFile):
                upload = await value.read()
            else:
                form[name] = value
    customer_id = customer_of(shop, request.cookies.get("session", ""))
    request.state.customer_id = customer_id
    return Visit(
        path=request.path_params,
        query=request.query_params,
        form=form,
        upload=upload,
        body=body,
        cart_id=request.cookies.get("cart") or secrets.token_hex(8),
        customer_id=customer_id,
        is_admin=request.cookies.get("admin") == shop.config["admin_password"],
    )


def customer_of(shop: Shop, token: str) -> int | None:
    session = shop.storage.find("SELECT customer_id FROM sessions WHERE token = ?", token) if token else None
    return int(session["customer_id"]) if session else None


def response_of(page: Page) -> Response:
    headers = {"location": page.location} if page.location else {}
    response = Response(page.content, page.status, headers, page.media_type)
    for name, value in page.cookies.items():
        response.set_cookie(name, value, httponly=True, samesite="lax")
    return response
