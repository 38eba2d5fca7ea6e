"""Leases and views, pure."""

from datetime import timedelta

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import MissionState, SlotState, lease_duration, view_status


@pytest.mark.parametrize(
    ("estimate_minutes", "lease"),
    [
        pytest.param(1, timedelta(minutes=5), id="never below five minutes"),
        pytest.param(2, timedelta(minutes=6), id="three times the estimate"),
        pytest.param(60, timedelta(hours=3), id="the longest mission"),
        pytest.param(600, timedelta(hours=24), id="never above a day"),
    ],
)
def test_a_lease_lasts_three_times_the_estimate(estimate_minutes: int, lease: timedelta) -> None:
    assert lease_duration(estimate_minutes) == lease


@pytest.mark.parametrize(
    ("mission", "slot", "has_open_slot", "is_overdue", "status"),
    [
        ("open", None, True, False, "available"),
        ("open", None, False, False, "assigned"),
        ("open", None, True, True, "expired"),
        ("open", "leased", True, False, "assigned"),
        ("open", "leased", True, True, "assigned"),
        ("open", "started", False, False, "in_progress"),
        ("open", "completed", True, False, "completed"),
        ("open", "expired", True, False, "available"),
        ("settled", "completed", False, False, "completed"),
        ("settled", None, False, False, "completed"),
        ("disputed", None, False, False, "completed"),
        ("cancelled", None, True, False, "cancelled"),
        ("expired", None, True, True, "expired"),
    ],
)
def test_a_mission_has_the_status_its_viewer_knows(
    mission: str, slot: str | None, status: str, *, has_open_slot: bool, is_overdue: bool
) -> None:
    own = SlotState(slot) if slot else None
    shown = view_status(MissionState(mission), own, has_open_slot=has_open_slot, is_overdue=is_overdue)
    assert shown.value == status
