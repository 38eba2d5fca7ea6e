"""`shifty missions selectors`: missions about selectors on the pages of a running web application."""

import json
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urljoin, urlsplit

import httpx
import typer

from shifty_pipelines.cli.tenant_access import opened_platform, tenant_id_of
from shifty_pipelines.cli.terminal import console
from shifty_pipelines.contexts.curation.domain.selectors import links
from shifty_pipelines.flows.make_selector_missions import make_selector_missions
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import system_actor

missions = typer.Typer(help="Make missions.", no_args_is_help=True)

PAGE_TIMEOUT_S = 10.0
#: A payload may have 256 KiB, of which the page is nearly all.
MAX_PAGE_BYTES = 200 * 1024


@missions.callback()
def group() -> None:
    """Make missions."""


@missions.command()
def selectors(
    *,
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant's slug.")],
    url: Annotated[str, typer.Option(help="Where the application answers, e.g. http://127.0.0.1:8101.")],
    count: Annotated[int, typer.Option(help="How many missions at most, 2 to 500.")] = 100,
    gold: Annotated[float, typer.Option(help="Which share of them becomes gold, 0 to 1.")] = 0.2,
    pages: Annotated[int, typer.Option(min=1, max=200, help="How many pages to visit, link by link.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice; the same seed and pages ask the same.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask about selectors on an application's pages: right ones, and some that went wrong as selectors do.

    The truth of each is what the selector matches in the page. A share of the items becomes gold.
    """
    with httpx.Client(timeout=PAGE_TIMEOUT_S) as client:
        visited = visit_pages(client.get, url, limit=pages)
    with opened_platform() as platform, platform.open(system_actor(tenant_id_of(platform, tenant))) as services:
        made = make_selector_missions(services, visited, count=count, gold_share=gold, seed=seed)
    if as_json:
        typer.echo(json.dumps({"batchId": str(made.batch_id), "missions": made.mission_count, "gold": made.gold_count}))
        return
    console.print(
        f"{made.mission_count} missions on {made.page_count} pages, {made.valid_count} of them valid, "
        f"{made.gold_count} gold; batch {made.batch_id}"
    )


def visit_pages(get: Callable[[str], httpx.Response], url: str, *, limit: int) -> dict[str, str]:
    """Up to `limit` HTML pages of one site by path, breadth first from `url` on; what is no page is passed over.

    Raises:
        InvalidValue: the first page cannot be read.
    """
    found: dict[str, str] = {}
    seen, waiting = {urlsplit(url).path or "/"}, [urlsplit(url).path or "/"]
    while waiting and len(found) < limit:
        path = waiting.pop(0)
        html = _page(get, urljoin(url, path))
        if html is None and not found:
            raise InvalidValue("url", url, "the address of a running web application that answers with HTML")
        if html is None:
            continue
        found[path] = html
        for target in (urlsplit(urljoin(urljoin(url, path), href)) for href in links(html)):
            there = target.path + (f"?{target.query}" if target.query else "")
            if target.netloc == urlsplit(url).netloc and there not in seen:
                seen.add(there)
                waiting.append(there)
    return found


def _page(get: Callable[[str], httpx.Response], address: str) -> str | None:
    try:
        answer = get(address)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    is_page = answer.status_code == httpx.codes.OK and "html" in answer.headers.get("content-type", "")
    return answer.text if is_page and answer.text.strip() and len(answer.content) <= MAX_PAGE_BYTES else None
