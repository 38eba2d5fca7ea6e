"""From what happened inside to what the outside is told: webhooks carry ids, labels and counts, and only those here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shifty_pipelines.contexts.arcade.events import MissionSettled
from shifty_pipelines.contexts.curation.events import LabelRecorded, LabelTombstoned
from shifty_pipelines.contexts.integrations.domain.messages import EventType
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.services import Services


@dataclass(frozen=True, slots=True)
class Announcement:
    """Under which name an event goes out, and which of its fields do: a field that is added to it later does not."""

    event_type: EventType
    fields: Sequence[tuple[str, str]]


ANNOUNCED: Mapping[str, Announcement] = {
    MissionSettled.type: Announcement(
        EventType.MISSION_SETTLED,
        (
            ("mission_id", "missionId"),
            ("item_id", "itemId"),
            ("mission_type", "missionType"),
            ("label", "label"),
            ("answer_count", "answerCount"),
            ("right_count", "rightCount"),
        ),
    ),
    # Without the label: nobody sees another's answer before the settlement.
    LabelRecorded.type: Announcement(
        EventType.TASK_COMPLETED,
        (
            ("mission_id", "missionId"),
            ("item_id", "itemId"),
            ("assignment_id", "assignmentId"),
            ("label_event_id", "labelEventId"),
        ),
    ),
    LabelTombstoned.type: Announcement(
        EventType.LABEL_TOMBSTONED,
        (
            ("label_event_id", "labelEventId"),
            ("tombstone_id", "tombstoneId"),
            ("item_id", "itemId"),
            ("mission_id", "missionId"),
            ("assignment_id", "assignmentId"),
        ),
    ),
}


def announce(services: Services, event: DeliveredEvent) -> None:
    """React to an event of the table: one delivery for every endpoint that wants it."""
    announcement = ANNOUNCED[event.type]
    services.integrations.announce(
        announcement.event_type,
        event_id=event.id,
        occurred_at=event.occurred_at,
        data={outside: event.payload.get(inside) for inside, outside in announcement.fields},
    )
