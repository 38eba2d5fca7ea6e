"""Making a batch: its payloads become sealed items of curation, with one wait for the disk, its questions missions."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shifty_pipelines.contexts.arcade.domain.batches import NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.errors import InvalidPayload
from shifty_pipelines.contexts.arcade.schemas.questions import read_question
from shifty_pipelines.contexts.curation.domain.label_sets import check_labels
from shifty_pipelines.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBatch:
    """A new batch, and its items in the order of their payloads."""

    id: uuid.UUID
    item_ids: Sequence[uuid.UUID]


def add_template(services: Services, new: NewTemplate) -> uuid.UUID:
    """The new template's id.

    Raises:
        InvalidLabels: its own labels break a rule of label sets.
        TemplateExists, RewardOutOfRange, InvalidValue: see `ArcadeService.add_template`.
    """
    if new.labels is not None:
        check_labels(new.labels)
    return services.arcade.add_template(new).id


def create_batch(
    services: Services,
    template_id: uuid.UUID,
    payloads: Sequence[Mapping[str, Any]],
    *,
    name: str,
    expires_at: datetime | None = None,
) -> MadeBatch:
    """A mission about each payload, all made in one transaction or none.

    Raises:
        NotFound: no such template.
        InvalidPayload: one is not what missions of the template's type ask about; says which.
        LabelSetMissing: neither the type nor the template has labels.
        PayloadTooLarge: one is more than 256 KiB as JSON.
    """
    template = services.arcade.template(template_id)
    labels = [
        _own_labels(MissionType(template.type), payload, index) or template.labels
        for index, payload in enumerate(payloads)
    ]
    item_ids = services.curation.add_items(template.type, payloads, source="batch", labels=labels)
    batch_id = services.arcade.create_batch(template_id, item_ids, name=name, expires_at=expires_at)
    return MadeBatch(id=batch_id, item_ids=item_ids)


def _own_labels(mission_type: MissionType, payload: Mapping[str, Any], index: int) -> Sequence[str] | None:
    try:
        return read_question(mission_type, payload).labels
    except InvalidPayload as refusal:
        raise InvalidPayload(*refusal.told, where=f"payloads.{index}") from None
