"""Customers: signing up, in and out; and what the shop tells everybody (legal texts, promotions)."""

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any

from examples.shop import pages
from examples.shop.web import Page, Shop, Visit, redirect

SALT_BYTES = 16


def show_sign_up(shop: Shop, _visit: Visit) -> Page:
    return pages.sign_up_form(shop)


def sign_up(shop: Shop, visit: Visit) -> Page:
    email, name = visit.form.get("email", "").strip().lower(), visit.form.get("name", "").strip()
    if "@" not in email or not name or visit.form.get("zone") not in shop.config["customer_zones"]:
        return pages.refusal(shop, 400, "Tell us your name, an e-mail address and your time zone.")
    if shop.storage.find("SELECT id FROM customers WHERE email = ?", email) is not None:
        return pages.refusal(shop, 409, "This address has an account already.")
    password_hash = hashed(visit.form.get("password", ""), secrets.token_bytes(SALT_BYTES))
    return signed_in(shop, add_customer(shop, email, name, password_hash, visit.form["zone"]))


def hashed(password: str, salt: bytes) -> bytes:
    return salt + hashlib.scrypt(password.encode(), salt=salt, n=2**13, r=8, p=1)


def add_customer(shop: Shop, email: str, name: str, password_hash: bytes, zone: str) -> int:
    return shop.storage.write(
        "INSERT INTO customers (email, name, password_hash, zone) VALUES (?, ?, ?, ?)", email, name, password_hash, zone
    )


def signed_in(shop: Shop, customer_id: int) -> Page:
    token = secrets.token_hex(16)
    shop.storage.write("INSERT INTO sessions (token, customer_id) VALUES (?, ?)", token, customer_id)
    return redirect("/", {"session": token})


def show_login(shop: Shop, _visit: Visit) -> Page:
    return pages.login_form(shop)


def login(shop: Shop, visit: Visit) -> Page:
    email = visit.form.get("email", "").strip().lower()
    customer = shop.storage.find("SELECT id, password_hash FROM customers WHERE email = ?", email)
    if customer is None or not matches(customer, visit.form.get("password", "")):
        return pages.refusal(shop, 401, "Address or password is wrong.")
    return signed_in(shop, customer["id"])


def matches(customer: Any, password: str) -> bool:
    kept = customer["password_hash"]
    return hmac.compare_digest(kept, hashed(password, kept[:SALT_BYTES]))


def logout(shop: Shop, visit: Visit) -> Page:
    shop.storage.write("DELETE FROM sessions WHERE customer_id = ?", visit.customer_id)
    return redirect("/")


def show_legal(shop: Shop, visit: Visit) -> Page:
    name = visit.path["name"]
    if name not in shop.config["legal"]:
        return pages.refusal(shop, 404, "There is no such page.")
    return pages.message(shop, name.capitalize(), legal_text(shop, name))


def legal_text(shop: Shop, name: str) -> str:
    path: Path = shop.folder / shop.config["legal"][name]
    return path.read_text(encoding="utf-8")


def show_promotion(shop: Shop, visit: Visit) -> Page:
    name = visit.path["name"]
    if name not in shop.config["promotions"]:
        return pages.refusal(shop, 404, "This promotion is over.")
    rule = promotion_rule(shop.config, name)
    return pages.message(shop, rule["title"], f"{rule['percent']} % off {rule['category']}")


def promotion_rule(config: dict[str, Any], name: str) -> Any:
    return json.loads(config["promotions"][name])
