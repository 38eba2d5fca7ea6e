"""`shifty missions selectors` against the sample shop, running."""

import json
from pathlib import Path

from examples.shop.fleet import TENANTS, Fleet, Tenant
from tests.cli.conftest import Operator


def test_missions_are_made_from_the_pages_of_a_running_shop(operator: Operator, tmp_path: Path) -> None:
    slug = operator.new_tenant()
    with Fleet([Tenant(config=TENANTS / "north.toml", tenant_id="t")], events=tmp_path / "events.jsonl") as fleet:
        url = f"http://127.0.0.1:{fleet.shops[0].port}/"
        wanted = ["--tenant", slug, "--url", url, "--count", 40, "--gold", 0.25, "--pages", 6, "--json"]
        answer = operator.shifty("missions", "selectors", *wanted)
    assert answer.status == 0, answer.err
    made = json.loads(answer.out)
    assert (made["missions"], made["gold"]) == (40, 10)
    [(batch_id, count)] = operator.query(
        "SELECT batch_id::text, count(*) FROM missions WHERE type = 'validate_selector' GROUP BY 1"
    )
    assert (batch_id, count) == (made["batchId"], 40)


def test_an_address_where_nothing_answers_is_refused(operator: Operator) -> None:
    slug = operator.same_tenant("selectors")
    answer = operator.shifty("missions", "selectors", "--tenant", slug, "--url", "http://127.0.0.1:1/")
    assert answer.status == 1
    assert "expected the address of a running web application" in " ".join(answer.err.split())
