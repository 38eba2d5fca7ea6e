"""Two runs of `curate` over one tenant, interleaved between and inside their units of work."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.flows.curate import check_step, run_step
from shifty_pipelines.flows.publish_datasets import UNJUDGED, publish_datasets
from shifty_pipelines.kernel.tenant import Actor
from shifty_pipelines.services import Services
from tests.assets.curation_site import Site
from tests.crowd import LABELS, TYPE, add_item, fill, label, text_of


class Overtaken:
    """The platform, but before one of its units of work another run gets its turn."""

    def __init__(self, platform: Platform, *, before: int, other: Callable[[], Any]) -> None:
        self._platform = platform
        self._left = before
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)

    @contextmanager
    def open(self, actor: Actor) -> Iterator[Services]:
        self._left -= 1
        if self._left == 0:
            self._other()
        with self._platform.open(actor) as services:
            yield services


def make(site: Site, assets: Sequence[str]) -> None:
    """Another run's steps, judged by nobody yet."""
    for asset in assets:
        run_step(site.platform, site.tenant_id, asset)


@pytest.fixture
def curated(site: Site) -> Site:
    """A site after a good run, with labels since then that none of its decisions knows."""
    with site.curation() as curation:
        fill(curation, 40)
    assert site.run().result.success
    with site.curation() as curation:
        label(curation, add_item(curation, {"text": text_of(300)}), LABELS[0])
    return site


@pytest.mark.parametrize("before", [pytest.param(2, id="before its datasets"), pytest.param(3, id="before it writes")])
def test_rows_made_anew_while_a_run_publishes_are_not_published_unjudged(curated: Site, before: int) -> None:
    current = curated.current()
    assert current is not None

    def other_run() -> None:
        make(curated, ["labels"])
        check_step(curated.platform, curated.tenant_id, "labels")
        make(curated, ["consensus_labels"])

    with curated.curation() as curation:
        item_id = add_item(curation, {"text": text_of(301)})
        label(curation, item_id, LABELS[1])
    overtaken = Overtaken(curated.platform, before=before, other=other_run)
    [publication] = publish_datasets(overtaken, curated.tenant_id)
    assert (publication.version, publication.refusal) == (None, UNJUDGED)
    stands = curated.current()
    assert stands is not None
    assert stands.id == current.id


def test_a_step_that_was_overtaken_makes_nothing_of_unjudged_rows(curated: Site) -> None:
    placed = curated.query("SELECT count(*) FROM item_splits WHERE tenant_id = %(tenant)s")
    for asset in ("labels", "consensus_labels", "scrubbed_items", "unique_items"):
        make(curated, [asset])
        check_step(curated.platform, curated.tenant_id, asset)
    overtaken = Overtaken(curated.platform, before=2, other=lambda: make(curated, ["unique_items"]))
    assert run_step(overtaken, curated.tenant_id, "splits") == {}
    assert curated.query("SELECT count(*) FROM item_splits WHERE tenant_id = %(tenant)s") == placed


WAITING: dict[str, Callable[[CurationService], object]] = {
    "judging": lambda curation: curation.check("labels", TYPE),
    "beginning": lambda curation: curation.begin("labels", TYPE),
    "asking to go on": lambda curation: curation.may_go_on("datasets", TYPE),
}


@pytest.fixture
def unjudged(site: Site) -> Site:
    """A site with labels and no verdict yet: nothing but the mission type's lock is there to wait for."""
    with site.curation() as curation:
        fill(curation, 3)
    return site


def has_to_wait(site: Site, act: Callable[[CurationService], object]) -> None:
    with site.curation() as curation:
        curation.work.scope.session.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            act(curation)


@pytest.mark.parametrize("what", list(WAITING))
def test_while_rows_are_made_anew_others_wait(unjudged: Site, what: str) -> None:
    with unjudged.curation() as making:
        making.begin("labels", TYPE)
        has_to_wait(unjudged, WAITING[what])


def test_while_rows_are_judged_nobody_makes_them_anew(unjudged: Site) -> None:
    with unjudged.curation() as judging:
        judging.check("labels", TYPE)
        has_to_wait(unjudged, lambda curation: curation.begin("labels", TYPE))
