"""The frame of every page, and the few elements pages are made of."""

from collections.abc import Iterable
from html import escape
from typing import Any

from examples.shop.web import Page, Shop

NAVIGATION = (("/", "Home"), ("/products", "Products"), ("/cart", "Cart"), ("/orders", "Orders"), ("/login", "Sign in"))


def text(value: object) -> str:
    return escape(str(value), quote=True)


def page(shop: Shop, title: str, content: str, status: int = 200) -> Page:
    links = "".join(
        f'<li><a href="{href}" data-testid="nav-{label.lower().replace(" ", "-")}">{label}</a></li>'
        for href, label in NAVIGATION
    )
    return Page(
        status=status,
        content=f"""<!doctype html>
<html lang="{text(shop.config["locale"][:2])}">
<head><meta charset="utf-8"><title>{text(title)} · {text(shop.config["name"])}</title></head>
<body>
<header><a href="/" data-testid="shop-name">{text(shop.config["name"])}</a>
<nav aria-label="Main"><ul>{links}</ul></nav>
<form action="/search" method="get" role="search" data-testid="search-form">
<label for="q">Search</label><input id="q" name="q" type="search" data-testid="search-input">
<button type="submit" data-testid="search-submit">Search</button></form></header>
<main><h1 data-testid="page-title">{text(title)}</h1>
{content}
</main>
<footer><a href="/legal/terms" data-testid="terms-link">Terms</a></footer>
</body>
</html>""",
    )


def form(action: str, name: str, fields: str, submit: str, method: str = "post") -> str:
    return (
        f'<form action="{text(action)}" method="{method}" data-testid="{name}-form">{fields}'
        f'<button type="submit" data-testid="{name}-submit">{text(submit)}</button></form>'
    )


def field(name: str, label: str, kind: str = "text", value: object = "") -> str:
    return (
        f'<label for="{name}">{text(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{text(value)}" data-testid="{name}-input">'
    )


def hidden(name: str, value: object) -> str:
    return f'<input type="hidden" name="{name}" value="{text(value)}">'


def select(name: str, label: str, options: Iterable[object]) -> str:
    choices = "".join(f'<option value="{text(option)}">{text(option)}</option>' for option in options)
    return (
        f'<label for="{name}">{text(label)}</label>'
        f'<select id="{name}" name="{name}" data-testid="{name}-select">{choices}</select>'
    )


def radios(name: str, legend: str, options: Iterable[object]) -> str:
    choices = "".join(
        f'<label><input type="radio" name="{name}" value="{text(option)}" data-testid="{name}-{text(option)}">'
        f" {text(option)}</label>"
        for option in options
    )
    return f"<fieldset><legend>{text(legend)}</legend>{choices}</fieldset>"


def link(href: str, label: object, testid: str) -> str:
    return f'<a href="{text(href)}" data-testid="{text(testid)}">{text(label)}</a>'


def items(name: str, entries: Iterable[str]) -> str:
    return f'<ul data-testid="{name}">' + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"


def table(name: str, head: Iterable[object], rows: Iterable[Iterable[Any]]) -> str:
    """Cells are HTML already."""
    header = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table data-testid="{name}"><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>'
