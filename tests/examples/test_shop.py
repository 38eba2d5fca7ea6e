"""The sample shop fails for real, as its table of causes says, and tells the platform without harming itself."""

import ast
import functools
import json
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.shop import difficulty
from examples.shop.browser import Browser
from examples.shop.causes import CAUSES, FAULTS, Fault, cause_of, fault_of
from examples.shop.delivery import HttpReporter
from examples.shop.driver import drive
from examples.shop.fleet import TENANTS, Fleet, RunningShop, Tenant

# One drive serves all tests here, so they stay on one worker.
pytestmark = pytest.mark.xdist_group("shop")

SHOP = TENANTS.parent
ERRORS = 1500
SEED = 7
SOURCES = {"sentry", "datadog", "new_relic", "application_logs", "custom_webhook"}
SEVERITIES = {"critical", "high", "medium", "low", "info"}
MODULES = sorted(SHOP.glob("*.py"))

Event = dict[str, Any]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    path = tmp_path_factory.mktemp("shop") / "events.jsonl"
    tenants = [Tenant(config=TENANTS / f"{name}.toml", tenant_id=name) for name in ("north", "coast")]
    with Fleet(tenants, events=path, seed=SEED) as fleet:
        drive(fleet.shops, errors=ERRORS, seed=SEED)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def by_fault(events: list[Event]) -> dict[Fault, list[Event]]:
    seen: dict[Fault, list[Event]] = defaultdict(list)
    for event in events:
        fault = fault_of(event)
        assert fault is not None, (event["errorType"], event["message"], event["stackTrace"])
        seen[fault].append(event)
    return seen


@pytest.fixture(scope="module")
def one_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningShop, Path]]:
    path = tmp_path_factory.mktemp("one") / "events.jsonl"
    with Fleet([Tenant(config=TENANTS / "north.toml", tenant_id="north")], events=path) as fleet:
        yield fleet.shops[0], path


@pytest.fixture
def browser(one_shop: tuple[RunningShop, Path]) -> Iterator[Browser]:
    browser = Browser(one_shop[0].port, "pytest")
    yield browser
    browser.close()


# ------------------------------------------------------------------------------------------------- the faults are real


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_raises_or_asserts_on_purpose(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Assert)]


def test_a_drive_meets_every_listed_fault_and_no_other(by_fault: dict[Fault, list[Event]]) -> None:
    assert {fault.name for fault in FAULTS} == {fault.name for fault in by_fault}
    assert len(by_fault) >= 12


def test_every_fault_speaks_in_three_messages_or_more(by_fault: dict[Fault, list[Event]]) -> None:
    messages = {fault.name: len({event["message"] for event in events}) for fault, events in by_fault.items()}
    assert not {name: count for name, count in messages.items() if count < 3}


def test_every_cause_shows_three_error_types_or_more(events: list[Event]) -> None:
    types: dict[str | None, set[str]] = defaultdict(set)
    for event in events:
        types[cause_of(event)].add(event["errorType"])
    assert set(types) == set(CAUSES)
    assert not {cause: seen for cause, seen in types.items() if len(seen) < 3}


def test_every_error_type_has_two_causes_or_more(events: list[Event]) -> None:
    causes: dict[str, set[str | None]] = defaultdict(set)
    for event in events:
        causes[event["errorType"]].add(cause_of(event))
    assert not {error_type: seen for error_type, seen in causes.items() if len(seen) < 2}


def test_no_cause_has_less_than_a_tenth_of_the_events(events: list[Event]) -> None:
    shares = {cause: sum(cause_of(event) == cause for event in events) / len(events) for cause in CAUSES}
    assert min(shares.values()) >= 0.1, shares


def test_both_shops_fail(events: list[Event]) -> None:
    of_tenant = {name: [event for event in events if event["tenantId"] == name] for name in ("north", "coast")}
    assert min(len(own) for own in of_tenant.values()) >= len(events) / 4
    assert {event["service"] for event in of_tenant["north"]} == {"shop-nordlicht"}
    assert {event["service"] for event in of_tenant["coast"]} == {"shop-coastline"}


def test_looking_the_error_type_up_is_no_match_for_a_model(events: list[Event]) -> None:
    sample = events[:600]
    causes = np.array([cause_of(event) for event in sample])
    ways = difficulty.predictors(sample, causes, with_minilm=False)
    templates = [difficulty.template_of(event) for event in sample]
    alone = [str(number) for number in range(len(sample))]
    assert difficulty.macro_f1(ways["look up the error type"], causes, alone) <= 0.55
    assert difficulty.macro_f1(ways["look up the error type"], causes, templates) <= 0.55
    assert difficulty.macro_f1(ways["TF-IDF, logistic"], causes, alone) >= 0.9
    assert difficulty.macro_f1(ways["TF-IDF, logistic"], causes, templates) >= 0.65


# -------------------------------------------------------------------------------------------------- the truth is apart


@functools.cache
def imported_by(module: str) -> set[str]:
    """Every module of the shop that importing this one imports."""
    tree = ast.parse((SHOP / f"{module}.py").read_text(encoding="utf-8"))
    direct: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "examples.shop":
            direct |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("examples.shop."):
            direct.add(str(node.module).rpartition(".")[2])
    return direct.union(*(imported_by(name) for name in direct))


@pytest.mark.parametrize("module", ["driver", "server", "upstream", "fleet", "__main__"])
def test_neither_shop_nor_driver_knows_the_causes(module: str) -> None:
    assert not imported_by(module) & {"causes", "difficulty"}


def test_the_evaluation_does_know_the_causes() -> None:
    assert "causes" in imported_by("difficulty")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_listed_fault_points_at_one_place_in_the_code(fault: Fault) -> None:
    source = (SHOP / f"{fault.module}.py").read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == fault.function
    ]
    assert len(functions) == 1
    lines = source.splitlines()[functions[0].lineno - 1 : functions[0].end_lineno]
    assert not fault.line or sum(fault.line in line for line in lines) == 1


def test_no_event_contains_the_name_of_its_cause(events: list[Event]) -> None:
    for event in events:
        text = json.dumps(event).lower()
        assert not [cause for cause in CAUSES if cause in text or cause.replace("_", " ") in text]


# ------------------------------------------------------------------------------------------------------- what is told


def test_an_event_is_the_body_the_platform_takes(events: list[Event]) -> None:
    for event in events:
        texts = ("tenantId", "externalId", "errorType", "message", "stackTrace", "environment", "service", "endpoint")
        assert not [name for name in texts if not (isinstance(event[name], str) and event[name])]
        assert event["source"] in SOURCES
        assert event["severity"] in SEVERITIES
        assert set(event) - {*texts, "source", "severity", "metadata", "userId"} == set()
        assert isinstance(event.get("userId", ""), str)
    assert len({event["externalId"] for event in events}) == len(events)


def test_frames_are_the_running_servers_lines(events: list[Event]) -> None:
    for event in events:
        own = [frame for frame in event["metadata"]["frames"] if frame["inApp"]]
        assert own[0]["file"] == "shop/app.py"
        assert len(own) >= 2
        for frame in own:
            lines = (SHOP.parent / frame["file"]).read_text(encoding="utf-8").splitlines()
            assert frame["source"] == lines[frame["line"] - 1].strip()
            assert f'File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}' in event["stackTrace"]


def test_no_event_shows_a_folder_of_this_machine(events: list[Event]) -> None:
    files = {frame["file"] for event in events for frame in event["metadata"]["frames"]}
    assert not [file for file in files if file.startswith("/") or "site-packages" in file]
    assert not [event for event in events if str(SHOP.parent) in event["stackTrace"]]


def test_the_visitor_is_told_the_number_of_the_event(one_shop: tuple[RunningShop, Path], browser: Browser) -> None:
    answer = browser.get("/products", sort="popularity")
    shown = re.findall(r'data-testid="event-id">([0-9a-f]{32})<', answer.text)
    assert answer.status == 500
    assert "Traceback" not in answer.text
    assert "popularity" not in answer.text
    assert shown[0] in {json.loads(line)["externalId"] for line in one_shop[1].read_text().splitlines()}


class Platform(ThreadingHTTPServer):
    """Takes events as the platform does, after being unavailable for the first few."""

    def __init__(self, unavailable: int) -> None:
        super().__init__(("127.0.0.1", 0), Intake)
        self.unavailable = unavailable
        self.taken: list[tuple[str, str, Event]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Intake(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Platform

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = 201
        if self.server.unavailable:
            self.server.unavailable -= 1
            status = 503
        elif event["message"] == "refuse me":
            status = 400
        else:
            self.server.taken.append((self.path, self.headers["authorization"], event))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[Platform]:
    server = Platform(unavailable=8)
    yield server
    server.shutdown()
    server.server_close()


def test_events_of_two_tenants_reach_a_platform_that_was_unavailable(platform: Platform) -> None:
    tenants = [
        Tenant(config=TENANTS / f"{name}.toml", tenant_id=f"id-{name}", token=f"token-{name}")
        for name in ("north", "coast")
    ]
    with Fleet(tenants, platform=platform.url) as fleet:
        counts = drive(fleet.shops, errors=30, seed=3)
    assert len(platform.taken) == counts.errors  # stopping a shop sends what it still holds
    assert {path for path, _, _ in platform.taken} == {"/api/v1/errors"}
    assert {(token, event["tenantId"]) for _, token, event in platform.taken} == {
        ("Bearer token-north", "id-north"),
        ("Bearer token-coast", "id-coast"),
    }
    assert len({event["externalId"] for _, _, event in platform.taken}) == counts.errors


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_shop_whose_platform_is_down_keeps_serving() -> None:
    tenant = Tenant(config=TENANTS / "north.toml", tenant_id="north", token="t")
    with Fleet([tenant], platform=f"http://127.0.0.1:{closed_port()}") as fleet:
        browser = Browser(fleet.shops[0].port, "pytest")
        begun_s = time.monotonic()
        failed = [browser.get("/products", sort=f"by{number}").status for number in range(20)]
        served = [browser.get("/products").status for _ in range(20)]
        took_s = time.monotonic() - begun_s
        browser.close()
        counts = fleet.shops[0].counts()
    assert failed == [500] * 20
    assert served == [200] * 20
    assert took_s < 5  # a reporter that waited would take its retries' seconds for every error
    assert counts["sent"] == 0
    assert counts["queued"] + counts["dropped"] == 20


def test_a_full_queue_drops_and_counts() -> None:
    reporter = HttpReporter(f"http://127.0.0.1:{closed_port()}", "t", queue_most=3)
    for number in range(10):
        reporter.report({"externalId": str(number), "message": ""})
    counts = reporter.counts()
    # Three wait, at most one more is in the thread's hands.
    assert counts["dropped"] in {6, 7}
    assert counts["dropped"] + counts["queued"] == 10


def test_what_the_platform_refuses_is_not_sent_again(platform: Platform) -> None:
    platform.unavailable = 0
    reporter = HttpReporter(platform.url, "t")
    for message in ("refuse me", "take me"):
        reporter.report({"externalId": message, "message": message})
    reporter.close()
    counts = reporter.counts()
    assert (counts["refused"], counts["sent"], counts["retried"]) == (1, 1, 0)
    assert [event["message"] for _, _, event in platform.taken] == ["take me"]


# ------------------------------------------------------------------------------------------------------------ its pages


class Controls(HTMLParser):
    """Ids that labels point at; fields a person fills in; test ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.labelled: set[str | None] = set()
        self.fields: set[str | None] = set()
        self.test_ids: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "label" and "for" in found:
            self.labelled.add(found["for"])
        if tag in {"input", "select"} and found.get("type") not in {"hidden", "radio"}:
            self.fields.add(found.get("id"))
        if "data-testid" in found:
            self.test_ids.append(found["data-testid"])


def signed_in(browser: Browser, name: str) -> Browser:
    browser.post("/signup", name=name, email=f"{name.lower()}@example.org", password="pw", zone="Europe/Berlin")
    return browser


def test_a_customer_buys_and_the_staff_see_the_order(one_shop: tuple[RunningShop, Path], browser: Browser) -> None:
    signed_in(browser, "Ida")
    browser.post("/cart/add", product_id=1, quantity=2)
    assert "cart-total" in Controls(browser.get("/cart").text).test_ids
    address = {"name": "Ida", "street": "Kai 1", "postcode": "20457", "city": "Hamburg", "phone": "1", "country": "DE"}
    confirm = browser.post("/checkout", **address)
    assert "21.18 EUR" in confirm.text  # 2 x 8.90 and 19 % tax
    assert browser.post("/checkout/confirm", payment=confirm.value("payment"), method="card").status == 303
    browser.post("/admin/login", password=one_shop[0].staff_password)
    orders = browser.get("/admin/orders").text
    assert "admin-order-1" in Controls(orders).test_ids
    assert "21.18 EUR" in orders


@pytest.mark.parametrize("path", ["/", "/products", "/products/2", "/cart", "/checkout", "/signup", "/admin/login"])
def test_every_field_of_a_page_has_a_label(browser: Browser, path: str) -> None:
    signed_in(browser, f"V{abs(hash(path))}")
    page = Controls(browser.get(path).text)
    assert page.fields  # each page has the search field at least
    assert page.fields <= page.labelled
    assert "page-title" in page.test_ids


def test_only_staff_see_staff_pages(browser: Browser) -> None:
    assert browser.get("/admin/orders").status == 303
    browser.cookies["admin"] = "guess"
    assert browser.get("/admin").status == 303


def test_what_is_typed_is_shown_as_text(browser: Browser) -> None:
    signed_in(browser, "Eve")
    browser.post("/products/3/reviews", stars=5, text="<script>alert(1)</script>")
    shown = browser.get("/products/3/reviews").text
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)" in shown
