"""Completing a mission: slot, label, promised XP and the news of it, all in one transaction or not at all."""

import uuid

from shifty_pipelines.contexts.arcade.domain.missions import Answer, CompletedMission, MissionView
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.services import Services


def complete_mission(
    services: Services,
    mission_id: uuid.UUID,
    *,
    labeler_id: UserId,
    answer: Answer,
    fencing_token: int | None = None,
) -> CompletedMission:
    """What the answer gave; the same answer again gives the same and writes nothing.

    Raises:
        UnknownLabel: the answer is none of the type's labels.
        NotAssigned, StaleToken, AnsweredDifferently: see `ArcadeService.complete`.
    """
    mission = services.arcade.view(mission_id, labeler_id=labeler_id)
    services.curation.check_label(mission.type.value, answer.label)
    completed = services.arcade.complete(
        mission_id,
        answer,
        labeler_id=labeler_id,
        item_key_slot=services.curation.key_slot(mission.item_id),
        fencing_token=fencing_token,
    )
    if completed.is_new:
        services.curation.record_label(
            mission.item_id,
            answer.label,
            labeler_id=labeler_id,
            mission_id=mission_id,
            assignment_id=completed.assignment_id,
        )
    return completed


def undo_completion(
    services: Services, mission_id: uuid.UUID, *, labeler_id: UserId, fencing_token: int
) -> MissionView:
    """The mission, assigned to the labeler anew; the label is tombstoned and the promised XP withdrawn.

    Raises:
        UndoTooLate: ten seconds are over, or the mission is no longer open.
        StaleToken: the caller gave no answer under this token.
    """
    undone = services.arcade.undo(mission_id, labeler_id=labeler_id, fencing_token=fencing_token)
    services.curation.tombstone_label(undone.assignment_id)
    return undone.mission
