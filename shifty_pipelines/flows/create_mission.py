"""Creating a mission: its payload becomes a sealed item of curation, the question about it a mission of the Arcade.

The payload comes with the request, or it is an error event's text, which is handed over as it lies sealed.
"""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from shifty_pipelines.contexts.arcade.domain.missions import MissionView, NewMission
from shifty_pipelines.contexts.arcade.domain.questions import ABOUT_ERRORS
from shifty_pipelines.contexts.arcade.schemas.questions import read_question
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.services import Services


def create_mission(
    services: Services,
    mission: NewMission,
    *,
    payload: Mapping[str, Any],
    source: str = "api",
    external_id: str | None = None,
) -> MissionView:
    """The mission, with its payload, both made in one transaction.

    Raises:
        LabelSetMissing: the type has no labels yet.
        InvalidPayload: it is not what missions of this type ask about.
        PayloadTooLarge: more than 256 KiB as JSON.
        RewardOutOfRange: the XP is outside the type's range.
        ItemExists: the source has sent this external id before.
    """
    question = read_question(mission.type, payload)
    item_id = services.curation.add_item(
        mission.type.value, payload, source=source, external_id=external_id, labels=question.labels
    )
    view = services.arcade.create(mission, item_id=item_id)
    return dataclasses.replace(view, payload=payload)


def create_mission_about_error(services: Services, mission: NewMission, error_event_id: uuid.UUID) -> MissionView:
    """The mission about a reported error; without its payload, which stays sealed on the way.

    Raises:
        NotFound: no such error event in this tenant.
        InvalidValue: missions of this type ask about something else than errors.
        LabelSetMissing, RewardOutOfRange: see `create_mission`.
        ItemExists: the event has a mission of this type already.
    """
    if mission.type not in ABOUT_ERRORS:
        expected = f"{', '.join(ABOUT_ERRORS)}: an error event is no {mission.type} payload; send a payload instead"
        raise InvalidValue("type", mission.type.value, expected)
    sealed = services.feedback.sealed_text(error_event_id)
    item_id = services.curation.adopt_item(
        mission.type.value, sealed, source=f"error_event/{mission.type.value}", external_id=str(error_event_id)
    )
    mission = dataclasses.replace(mission, reported_by=services.feedback.reporter(error_event_id))
    return services.arcade.create(mission, item_id=item_id)
