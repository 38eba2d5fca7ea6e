"""One installation for all kills, and what an undisturbed story takes on this machine."""

import os
from collections.abc import Iterator

import pytest

from tests.crash.campaign import Campaign
from tests.crash.site import Site
from tests.crash.story import BASE_MODEL

SEED_VARIABLE = "SHIFTY_CRASH_SEED"
DEFAULT_SEED = 20_240_229


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from tests.trainer.conftest import write_base_model

    home = tmp_path_factory.mktemp("crash") / "home"
    write_base_model(home / "models" / BASE_MODEL)
    site = Site(home)
    site.open()
    yield site
    site.close()


@pytest.fixture(scope="session")
def campaign(site: Site) -> Iterator[Campaign]:
    campaign = Campaign(site, seed=int(os.environ.get(SEED_VARIABLE, DEFAULT_SEED)))
    campaign.measure()
    yield campaign
    campaign.report()
