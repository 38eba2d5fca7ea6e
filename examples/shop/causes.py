"""The truth about the shop's faults: which place in its code fails for which cause. For evaluation only.

Neither the shop nor its reporter nor the driver imports this module. An error's cause is not in its event; it is found
by walking the event's in-app frames from the innermost outwards to the first place listed here, so that a function
many places share (``money.to_cents``, ``storage.one``) is judged by who called it. Where one function fails for several
causes the row also names the source line, and where one line does, a part of the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BAD_INPUT = "bad_input"
BOUNDARY = "boundary"
CONFIGURATION = "configuration"
STALE_STATE = "stale_state"
TIME_HANDLING = "time_handling"
UPSTREAM_DATA = "upstream_data"

CAUSES: Mapping[str, str] = {
    BAD_INPUT: "Somebody sent what the shop does not check: words for numbers, missing fields, another encoding.",
    BOUNDARY: "An edge of a range nobody thought of: the last page, nothing found, no orders yet, one day.",
    CONFIGURATION: "The tenant's settings are incomplete or wrong; right input and right code would still fail.",
    STALE_STATE: "What the visitor saw has changed since: sold out, deleted, already paid; races of two requests.",
    TIME_HANDLING: "Time zones, daylight saving, calendars, date formats.",
    UPSTREAM_DATA: "A supplier's service answered late, half, or with something else than agreed.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One place that fails for one cause: module and function, and as far as needed line and message."""

    name: str
    cause: str
    module: str
    function: str
    errors: frozenset[str]
    line: str = ""
    says: str = ""

    def explains(self, frame: Mapping[str, Any], error_type: str, message: str) -> bool:
        return (
            frame["file"] == f"shop/{self.module}.py"
            and frame["function"] == self.function
            and error_type in self.errors
            and self.line in frame["source"]
            and self.says in message
        )


def fault(name: str, cause: str, place: str, errors: str, *, line: str = "", says: str = "") -> Fault:
    module, function = place.split(".")
    return Fault(name, cause, module, function, frozenset(errors.split()), line, says)


FAULTS: tuple[Fault, ...] = (
    fault("address lacks a field", BAD_INPUT, "checkout.read_address", "KeyError"),
    fault("quantity is no number", BAD_INPUT, "cart.add_line", "ValueError", line='int(visit.form["quantity"])'),
    fault("quantity below one", BAD_INPUT, "cart.put_in_cart", "IntegrityError OverflowError"),
    fault("client sends no JSON", BAD_INPUT, "cart.add_line_by_api", "JSONDecodeError", line="json.loads"),
    fault(
        "client sends another shape", BAD_INPUT, "cart.add_line_by_api", "KeyError TypeError", line='line["product_id"]'
    ),
    fault("client sends another type", BAD_INPUT, "cart.add_line_by_api", "TypeError", line="quantity > shop.config"),
    fault("sort by no column", BAD_INPUT, "catalog.list_products", "AttributeError", line="attrgetter(sort)"),
    fault("ids are no numbers", BAD_INPUT, "catalog.wanted_ids", "ValueError"),
    fault("no such column", BAD_INPUT, "catalog.compare", "AttributeError", line="getattr", says="'Product' object"),
    fault("price limit is no number", BAD_INPUT, "catalog.search", "ValueError OverflowError", line="to_cents"),
    fault("stars out of range", BAD_INPUT, "catalog.save_review", "IntegrityError ValueError OverflowError"),
    fault("gift amount is no amount", BAD_INPUT, "cart.buy_gift_card", "ValueError OverflowError"),
    fault("gift code mistyped", BAD_INPUT, "cart.redeem_gift_card", "IndexError", line="storage.one"),
    fault("upload in another encoding", BAD_INPUT, "admin.import_products", "UnicodeDecodeError", line="upload.decode"),
    fault("upload with odd lines", BAD_INPUT, "admin.add_product", "IndexError ValueError IntegrityError"),
    fault("price is no amount", BAD_INPUT, "admin.change_price", "ValueError OverflowError IntegrityError"),
    fault("empty last page", BOUNDARY, "catalog.page_of", "IndexError"),
    fault("nothing found", BOUNDARY, "catalog.price_range", "ValueError"),
    fault("no reviews yet", BOUNDARY, "catalog.average_stars", "ZeroDivisionError"),
    fault("more lines than wrap sizes", BOUNDARY, "cart.quote_wrap", "KeyError", line="WRAP_CENTS"),
    fault("discount on nothing", BOUNDARY, "cart.spread_over_lines", "ZeroDivisionError"),
    fault("no orders yet", BOUNDARY, "orders.last_order", "IndexError"),
    fault("report on one day", BOUNDARY, "admin.per_day", "ZeroDivisionError"),
    fault("report on no orders", BOUNDARY, "admin.figures", "TypeError"),
    fault("country without tax", CONFIGURATION, "checkout.tax_cents", "KeyError"),
    fault("country without free shipping", CONFIGURATION, "cart.is_free", "KeyError TypeError"),
    fault("carrier price is no amount", CONFIGURATION, "cart.carrier_cents", "ValueError"),
    fault("way to pay is not there", CONFIGURATION, "checkout.pay", "AttributeError"),
    fault("plan of no months", CONFIGURATION, "checkout.instalment", "ZeroDivisionError"),
    fault("legal text in another encoding", CONFIGURATION, "accounts.legal_text", "UnicodeDecodeError"),
    fault("promotion is no JSON", CONFIGURATION, "accounts.promotion_rule", "JSONDecodeError"),
    fault("time-out of milliseconds", CONFIGURATION, "shipping.locker_state", "TimeoutError", line="fetch"),
    fault("product not on the remembered shelf", STALE_STATE, "catalog.neighbours", "ValueError", line=".index("),
    fault(
        "compared product is gone", STALE_STATE, "catalog.compare", "AttributeError", line="getattr", says="NoneType"
    ),
    fault("product gone before it was added", STALE_STATE, "cart.add_line", "IndexError", line="storage.one"),
    fault("payment taken already", STALE_STATE, "checkout.take_pending", "KeyError"),
    fault("cart ordered already", STALE_STATE, "checkout.write_order", "IntegrityError"),
    fault("sold out before paid", STALE_STATE, "checkout.take_from_stock", "IntegrityError"),
    fault("signed up twice at once", STALE_STATE, "accounts.add_customer", "IntegrityError"),
    fault("ordered product is gone", STALE_STATE, "orders.still_sold", "IndexError"),
    fault("subscribed product is gone", STALE_STATE, "orders.subscribe", "IndexError", line="storage.one"),
    fault("end with and without zone", TIME_HANDLING, "cart.valid_for", "TypeError", line="ends_at - now"),
    fault("end of all days", TIME_HANDLING, "cart.valid_for", "OverflowError", line="astimezone"),
    fault("day in another format", TIME_HANDLING, "shipping.parse_day", "ValueError"),
    fault("hour the clock skips", TIME_HANDLING, "shipping.locker_moment", "KeyError"),
    fault("hour the clock shows twice", TIME_HANDLING, "shipping.add_slot", "IntegrityError"),
    fault("month after the last", TIME_HANDLING, "orders.next_delivery", "ValueError"),
    fault("zone without a name", TIME_HANDLING, "orders.placed", "AttributeError"),
    fault("answer late", UPSTREAM_DATA, "suppliers.ask", "TimeoutError", line="self.fetch"),
    fault("answer is no JSON", UPSTREAM_DATA, "suppliers.ask", "JSONDecodeError UnicodeDecodeError", line="json.loads"),
    fault("rate missing or zero", UPSTREAM_DATA, "suppliers.converted", "KeyError ZeroDivisionError"),
    fault("stock is no number", UPSTREAM_DATA, "suppliers.stock", "OverflowError TypeError ValueError", line="int("),
    fault("no offer", UPSTREAM_DATA, "suppliers.offer_cents", "IndexError", line='answer["offers"]'),
    fault("offer without an amount", UPSTREAM_DATA, "suppliers.offer_cents", "KeyError ValueError", line="to_cents"),
    fault("tracking of another shape", UPSTREAM_DATA, "suppliers.arrival", "AttributeError", line="answer.get"),
    fault("arrival is no day", UPSTREAM_DATA, "suppliers.arrival", "ValueError", line="fromisoformat"),
    fault("product without a name", UPSTREAM_DATA, "suppliers.sync", "IntegrityError"),
)


def in_app_frames(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Innermost first."""
    return [frame for frame in reversed(event["metadata"]["frames"]) if frame["inApp"]]


def fault_of(event: Mapping[str, Any]) -> Fault | None:
    """The fault an event comes from; None for an error this table does not know."""
    for frame in in_app_frames(event):
        for known in FAULTS:
            if known.explains(frame, event["errorType"], event["message"]):
                return known
    return None


def cause_of(event: Mapping[str, Any]) -> str | None:
    known = fault_of(event)
    return known.cause if known else None
