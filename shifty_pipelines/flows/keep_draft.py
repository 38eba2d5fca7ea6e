"""Saving a draft: the Arcade keeps it, sealed under the labeler's key and the item's, which curation names."""

import uuid
from collections.abc import Mapping
from typing import Any

from shifty_pipelines.contexts.arcade.domain.leases import DraftView
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.services import Services


def keep_draft(
    services: Services, mission_id: uuid.UUID, content: Mapping[str, Any], *, labeler_id: UserId, fencing_token: int
) -> DraftView:
    """The draft as it is kept now.

    Raises:
        NotFound: no such mission.
        StaleToken, DraftTooLarge: see `ArcadeService.save_draft`.
    """
    mission = services.arcade.view(mission_id, labeler_id=labeler_id)
    return services.arcade.save_draft(
        mission_id,
        content,
        labeler_id=labeler_id,
        fencing_token=fencing_token,
        item_key_slot=services.curation.key_slot(mission.item_id),
    )
