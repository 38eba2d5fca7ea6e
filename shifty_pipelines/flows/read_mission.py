"""Reading a mission as a labeler works on it: the Arcade's view with curation's payload opened."""

import dataclasses
import uuid
from collections.abc import Sequence

from shifty_pipelines.contexts.arcade.domain.missions import MissionView
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.services import Services


def read_mission(services: Services, mission_id: uuid.UUID, *, labeler_id: UserId) -> MissionView:
    """A mission as a labeler sees it, with its payload; answers are shown to who gave them only."""
    return with_payloads(services, [services.arcade.view(mission_id, labeler_id=labeler_id)])[0]


def with_payloads(services: Services, views: Sequence[MissionView]) -> list[MissionView]:
    """The same missions with their payloads; None stays where an item was erased."""
    payloads = services.curation.payloads([view.item_id for view in views])
    return [dataclasses.replace(view, payload=payloads.get(view.item_id)) for view in views]
