"""kill -9 of every process in every phase that it can coincide with: nothing is lost, doubled, orphaned or blocked.

One pair: ``make crash`` with ``-k sidecar-labels``. Another draw of the moments: SHIFTY_CRASH_SEED.
"""

import pytest

from tests.crash.campaign import Campaign
from tests.crash.plan import PAIRS, Pair

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.name) for pair in PAIRS])
def test_after_a_kill_the_story_converges(campaign: Campaign, pair: Pair) -> None:
    kill = campaign.kill(pair)
    assert kill.complaints == ()
