"""The staff's pages."""

from collections.abc import Sequence
from typing import Any

from examples.shop import html
from examples.shop.money import price
from examples.shop.web import Page, Shop

FIGURES = ("revenue", "mean", "largest", "pace")


def login_form(shop: Shop) -> Page:
    fields = html.field("password", "Password", "password")
    return html.page(shop, "Staff", html.form("/admin/login", "admin-login", fields, "Sign in"))


def products(shop: Shop, rows: Sequence[Any]) -> Page:
    listing = html.table(
        "admin-products",
        ["Product", "Stock", "Price", "Offer", ""],
        [
            [
                html.link(f"/products/{row['id']}", row["name"], f"admin-product-{row['id']}"),
                row["stock"],
                html.form(
                    f"/admin/products/{row['id']}",
                    f"price-{row['id']}",
                    html.hidden("price", row["price_cents"] / 100),
                    price(row["price_cents"], shop.config["currency"]),
                ),
                html.link(f"/admin/products/{row['id']}/offer", "Best offer", "offer-link"),
                html.form(f"/admin/products/{row['id']}/delete", f"delete-{row['id']}", "", "Delete"),
            ]
            for row in rows
        ],
    )
    return html.page(shop, "Products", tools(shop) + listing)


def tools(shop: Shop) -> str:
    coupon = html.form(
        "/admin/coupons",
        "new-coupon",
        html.field("code", "Code") + html.field("off", "Off") + html.field("valid_until", "Until", "datetime-local"),
        "Add the coupon",
    )
    slots = html.form("/admin/slots", "slots", html.field("day", "Day", "date"), "Open its delivery slots")
    figures = html.form(
        "/admin/report",
        "report",
        html.field("since", "From", "date")
        + html.field("until", "To", "date")
        + html.select("country", "Country", ["", *shop.config["countries"]])
        + html.select("figure", "Figure", FIGURES),
        "Report",
        method="get",
    )
    upload = (
        '<form action="/admin/import" method="post" enctype="multipart/form-data" data-testid="import-form">'
        '<label for="file">Products as CSV</label><input id="file" name="file" type="file" data-testid="file-input">'
        '<button type="submit" data-testid="import-submit">Import</button></form>'
    )
    sync = html.form("/admin/sync", "sync", "", "Take over the supplier's feed")
    return f"<section aria-label='Tools'>{coupon}{slots}{figures}{upload}{sync}</section>"


def orders(shop: Shop, rows: Sequence[Any]) -> Page:
    listing = html.table(
        "admin-orders",
        ["Order", "Customer", "Country", "Total", "Pay by", "Status", "Placed"],
        [
            [
                f'<span data-testid="admin-order-{row["id"]}">#{row["id"]}</span>',
                html.text(row["name"]),
                row["country"],
                price(row["total_cents"], shop.config["currency"]),
                html.text(row["method"]),
                html.text(row["status"]),
                html.text(row["placed_at"]),
            ]
            for row in rows
        ],
    )
    older = html.link(f"/admin/orders?before={rows[-1]['id']}", "Older", "older-orders") if rows else ""
    return html.page(shop, "Orders", listing + older)
