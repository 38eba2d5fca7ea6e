"""The sensor's round: what is over is ended in every tenant, although nobody asks."""

from datetime import timedelta

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.flows.tend_missions import tend_missions
from tests.api.conftest import House


def test_leases_and_missions_whose_time_is_over_are_ended_by_the_round(house: House) -> None:
    world = house.world
    world.set_labels()
    held = world.mission(slotCount=1)
    over = world.mission(expiresAt=(house.clock.now() + timedelta(minutes=5)).isoformat())
    world.member.data("POST", f"/api/v1/missions/{held}/assign", json={})
    platform: Platform = house.platform
    assert tend_missions(platform).leases_ended == 0
    house.clock.advance(timedelta(minutes=15))
    tended = tend_missions(platform)
    assert (tended.leases_ended, tended.missions_closed) == (1, 1)
    states = dict(house.rows("SELECT id::text, state FROM missions"))
    assert states == {held: "open", over: "expired"}
    assert house.rows("SELECT state FROM mission_slots") == [("expired",)]
    assert tend_missions(platform).leases_ended == 0
