"""Selectors on pages: the truth is what they match, checked by another engine (Lexbor) on the shop's real pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selectolax.lexbor import LexborHTMLParser
from starlette.testclient import TestClient

from examples.shop.app import build_app, open_shop
from examples.shop.fleet import TENANTS
from examples.shop.reporting import FileReporter, Release
from shifty_pipelines.cli.missions import visit_pages
from shifty_pipelines.contexts.curation.domain.selectors import SelectorCase, balanced, selector_cases
from shifty_pipelines.kernel.errors import InvalidValue

PAGE = """<body><nav><a href="/a" data-testid="home">Home</a><a href="/b">Help</a></nav>
<form data-testid="find"><label for="q">Search</label><input id="q" name="q"><input type="hidden" name="t">
<button>Go</button></form><a href="/c">Twice</a><a href="/d">Twice</a></body>"""


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder: Path = tmp_path_factory.mktemp("shop")
    shop = open_shop(TENANTS / "north.toml", folder / "shop.sqlite", "127.0.0.1", 1)
    release = Release(tenant_id="t", service="shop", environment="test", version="1")
    reporter = FileReporter(folder / "events.jsonl")
    with TestClient(build_app(shop, reporter, release), raise_server_exceptions=False) as client:
        yield visit_pages(client.get, "http://testserver/", limit=12)
    reporter.close()


def test_the_truth_of_each_selector_by_hand() -> None:
    truths = {(case.target, case.selector): case.is_valid for case in selector_cases(PAGE, rng())}
    home, search = "the link 'Home'", "the field 'Search' of the form 'find'"
    assert truths[home, 'a[data-testid="home"]'] is True
    assert truths[home, "a"] is False  # four links
    assert truths[home, 'a[data-testid="home-v2"]'] is False
    assert truths[home, 'span[data-testid="home"]'] is False
    assert truths[home, 'body > a[data-testid="home"]'] is False  # it lies in the nav
    assert truths[home, "body > nav:nth-of-type(1) > a:nth-of-type(1)"] is True
    assert truths[home, "body > nav:nth-of-type(1) > a:nth-of-type(2)"] is False
    assert truths[search, 'form[data-testid="find"] input[name="q"]'] is True
    assert truths["the button 'Go' of the form 'find'", "button"] is True  # general, and still the only one
    assert not any("Twice" in target or '"t"' in selector for target, selector in truths)


def test_another_engine_finds_the_same_truth_on_every_page_of_the_shop(pages: dict[str, str]) -> None:
    compared = 0
    for html in pages.values():
        tree = LexborHTMLParser(html)
        cases = selector_cases(html, rng())
        where: dict[str, set[int]] = {}
        for case in cases:
            if case.is_valid:
                where.setdefault(case.target, set()).add(one(tree, case).mem_id)
        # All valid selectors of one element find one and the same node, and no invalid one finds just that.
        assert all(len(nodes) == 1 for nodes in where.values())
        for case in cases:
            found = [node.mem_id for node in tree.css(case.selector)]
            assert (set(found) == where.get(case.target) and len(found) == 1) is case.is_valid, case.selector
            compared += 1
    assert len(pages) == 12
    assert compared > 500


def one(tree: LexborHTMLParser, case: SelectorCase) -> object:
    [node] = tree.css(case.selector)
    return node


def test_half_of_a_choice_is_valid_and_the_same_seed_chooses_the_same(pages: dict[str, str]) -> None:
    cases = [case for html in pages.values() for case in selector_cases(html, rng())]
    chosen = balanced(cases, 100, rng())
    assert (len(chosen), sum(case.is_valid for case in chosen)) == (100, 50)
    assert balanced(cases, 100, rng()) == chosen
    few = balanced([case for case in cases if case.is_valid][:3], 10, rng())
    assert len(few) == 3


def test_a_page_without_names_asks_nothing() -> None:
    assert selector_cases("<body><p>nothing to click</p><input></body>", rng()) == []


def test_a_site_is_visited_link_by_link_and_no_other_site(pages: dict[str, str]) -> None:
    assert "/" in pages
    assert all(path.startswith("/") for path in pages)
    assert all("<main>" in html for html in pages.values())


def test_a_site_that_does_not_answer_is_refused(pages: dict[str, str]) -> None:
    class Silent:
        status_code, headers, text, content = 500, {"content-type": "text/html"}, "<p>", b"<p>"

    with pytest.raises(InvalidValue, match="a running web application"):
        visit_pages(lambda _address: Silent(), "http://testserver/", limit=3)  # type: ignore[arg-type,return-value]
    assert pages
