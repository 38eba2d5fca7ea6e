"""Completing a mission: slot, label, promised XP and the news of it, all in one transaction or not at all."""

import uuid
from collections.abc import Mapping
from typing import Any

from shifty_pipelines.contexts.arcade.domain.missions import Answer, CompletedMission, MissionView, Subject
from shifty_pipelines.contexts.arcade.domain.questions import FORMS, Question
from shifty_pipelines.contexts.arcade.errors import ItemErased
from shifty_pipelines.contexts.arcade.schemas.answers import read_answer
from shifty_pipelines.contexts.arcade.schemas.questions import read_question
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.services import Services


def complete_mission(
    services: Services,
    mission_id: uuid.UUID,
    *,
    labeler_id: UserId,
    answer: Answer | Mapping[str, Any],
    fencing_token: int | None = None,
) -> CompletedMission:
    """What the answer gave; the same answer again gives the same and writes nothing.

    Args:
        services: a unit of work of the labeler's.
        mission_id: which mission.
        labeler_id: who answers.
        answer: the answer, or a body's `result` as it came: then it must have the form that the mission asks for.
        fencing_token: of the assignment it was worked out for.

    Raises:
        InvalidAnswer: another form's shape, or values outside the question.
        UnknownLabel: the answer is none of the item's labels.
        ItemErased: the question itself is gone.
        NotAssigned, StaleToken, AnsweredDifferently: see `ArcadeService.complete`.
    """
    mission = services.arcade.subject(mission_id, labeler_id=labeler_id)
    said = answer if isinstance(answer, Answer) else read_answer(_question(services, mission), answer)
    services.curation.check_label(mission.item_id, said.label)
    completed = services.arcade.complete(
        mission_id,
        said,
        labeler_id=labeler_id,
        item_key_slot=services.curation.key_slot(mission.item_id),
        fencing_token=fencing_token,
    )
    if completed.is_new:
        services.curation.record_label(
            mission.item_id,
            said.label,
            labeler_id=labeler_id,
            mission_id=mission_id,
            assignment_id=completed.assignment_id,
        )
        services.arcade.note_uncertainty(mission_id, services.curation.uncertainty(mission.item_id))
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
    services.arcade.note_uncertainty(mission_id, services.curation.uncertainty(undone.mission.item_id))
    return undone.mission


def _question(services: Services, mission: Subject) -> Question:
    """What the mission asks; the payload is opened only where its form or its bounds stand in it."""
    form = FORMS.get(mission.type)
    if form is not None and form.is_told_by_type:
        return Question(form=form)
    payload = services.curation.payloads([mission.item_id]).get(mission.item_id)
    if payload is None:
        raise ItemErased(mission.id)
    return read_question(mission.type, payload)
