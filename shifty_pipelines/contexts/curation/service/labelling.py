"""Label sets, items, labels, and how probable each label of an item is while its labels come in."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shifty_pipelines.contexts.curation.domain.label_sets import check_labels
from shifty_pipelines.contexts.curation.domain.payloads import MAX_PAYLOAD_BYTES, size_bytes, stored_form
from shifty_pipelines.contexts.curation.domain.posterior import normalised_entropy, posterior
from shifty_pipelines.contexts.curation.errors import (
    LabelSetMissing,
    NoSuchLabelEvent,
    PayloadTooLarge,
    UnknownLabel,
)
from shifty_pipelines.contexts.curation.events import LabelRecorded, LabelTombstoned
from shifty_pipelines.contexts.curation.models import GoldItem, Item, LabelEvent, LabelSet
from shifty_pipelines.contexts.curation.service.base import CurationUseCases
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.keys import KeyErased, KeySlots
from shifty_pipelines.kernel.sealed import SealedText, open_sealed, seal, seal_many
from shifty_pipelines.kernel.tenant import TenantId

#: What a labeler without an estimate counts as. It must lie between 0.75 and 0.9: then two who agree settle a choice of
#: two labels (0.94 at 0.8) and nobody settles anything alone. Anonymous workers on seven public label sets are right
#: 55 to 82 % of the time, 72 % on average; a tenant's own people know their product.
PRIOR_ACCURACY = 0.8

#: Whoever reads a payload later may stand deeper in Python's stack than whoever wrote it: far below its 1,000 frames.
MAX_PAYLOAD_DEPTH = 100


class Labelling(CurationUseCases):
    """Items and their labels in the unit of work's tenant."""

    # ------------------------------------------------------------------------------------------------------ label sets

    def label_set(self, mission_type: str) -> LabelSet:
        """The labels of a mission type.

        Raises:
            NotFound: none were set.
        """
        found = self.repository.label_set(mission_type)
        if found is None:
            raise NotFound("Label set")
        return found

    def label_sets(self) -> Sequence[LabelSet]:
        """The labels of every mission type that has some, in order of name."""
        return self.repository.label_sets()

    def keep_labels(self, mission_type: str) -> tuple[str, ...]:
        """The labels of a mission type, which nobody can change until this transaction ends.

        Raises:
            LabelSetMissing: none were set.
        """
        found = self.repository.label_set(mission_type, lock="share")
        if found is None:
            raise LabelSetMissing(mission_type)
        return tuple(found.labels)

    def lock_labels(self, mission_type: str) -> tuple[str, ...] | None:
        """A mission type's labels, about to be changed: whoever relies on them waits; None if there are none."""
        found = self.repository.label_set(mission_type, lock="change")
        return tuple(found.labels) if found else None

    def set_labels(self, mission_type: str, labels: Sequence[str]) -> LabelSet:
        """Set the labels of a mission type. Call `flows/set_labels.py` instead: it asks about open missions.

        Raises:
            InvalidLabels: too few, too many, too long, or two alike.
        """
        check_labels(labels)
        found = self.repository.set_labels(self.work.ids.new(), mission_type, labels, at=self.work.clock.now())
        self.work.audit.record("label_set.changed", "label_set", found.id, mission_type=mission_type, count=len(labels))
        return found

    def check_label(self, item_id: uuid.UUID, label: str) -> None:
        """Refuse an answer that is none of the item's labels.

        Raises:
            UnknownLabel: names the label and those allowed.
        """
        # Not locked: labels cannot change while a mission of the type is open, and this one is.
        allowed = self._labels_of(self._item(item_id))
        if label not in allowed:
            raise UnknownLabel(label, allowed)

    def _labels_of(self, item: Item) -> Sequence[str]:
        if item.labels is not None:
            return item.labels
        if item.mission_type not in self._labels:
            self._labels[item.mission_type] = self.label_set(item.mission_type).labels
        return self._labels[item.mission_type]

    # ----------------------------------------------------------------------------------------------------------- items

    def add_item(
        self,
        mission_type: str,
        payload: Mapping[str, Any],
        *,
        source: str,
        external_id: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> uuid.UUID:
        """Keep a payload, sealed, and return its item's id; `labels` are its own, in place of its mission type's.

        Raises:
            LabelSetMissing: the mission type has no labels yet, and the item none of its own.
            PayloadTooLarge: more than 256 KiB as JSON.
            ItemExists: the source has sent this external id before.
        """
        if labels is None:
            self.keep_labels(mission_type)
        sealed = seal(self.keys, self.work.tenant_id, _payload_text(payload))
        item = self._new_item(mission_type, sealed, source=source, labels=labels)
        item.external_id = external_id
        self.repository.add_item(item)
        return item.id

    def add_items(
        self,
        mission_type: str,
        payloads: Sequence[Mapping[str, Any]],
        *,
        source: str,
        labels: Sequence[Sequence[str] | None],
    ) -> list[uuid.UUID]:
        """Keep many payloads, sealed, with one wait for the disk; their items' ids in the order given.

        Raises:
            LabelSetMissing, PayloadTooLarge: see `add_item`.
        """
        if None in labels:
            self.keep_labels(mission_type)
        texts = [_payload_text(payload) for payload in payloads]
        items = [
            self._new_item(mission_type, sealed, source=source, labels=own)
            for sealed, own in zip(seal_many(self.keys, self.work.tenant_id, texts), labels, strict=True)
        ]
        self.repository.add_items(items)
        return [item.id for item in items]

    def adopt_item(self, mission_type: str, sealed: SealedText, *, source: str, external_id: str) -> uuid.UUID:
        """Keep a payload that another context sealed, under its slot, so that both copies die together.

        Raises:
            LabelSetMissing: the mission type has no labels yet.
            ItemExists: the source has sent this external id before.
        """
        self.keep_labels(mission_type)
        item = self._new_item(mission_type, sealed, source=source, labels=None)
        item.external_id = external_id
        self.repository.add_item(item)
        return item.id

    def _new_item(self, mission_type: str, sealed: SealedText, *, source: str, labels: Sequence[str] | None) -> Item:
        return Item(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            mission_type=mission_type,
            source=source,
            key_slot=sealed.slot,
            sealed=sealed.ciphertext,
            created_at=self.work.clock.now(),
            created_by=self.work.actor.user_id,
            labels=None if labels is None else list(labels),
        )

    def payloads(self, item_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Mapping[str, Any]]:
        """The payloads of these items; an item that was erased, or never existed, is missing from the answer."""
        opened = {
            item.id: opened_payload(self.keys, self.work.tenant_id, item) for item in self.repository.items(item_ids)
        }
        return {item_id: payload for item_id, payload in opened.items() if payload is not None}

    def seed_gold(self, truths: Mapping[uuid.UUID, str]) -> None:
        """Keep what these items truly are, known from how they were made; nobody who answers missions can read it.

        Raises:
            UnknownLabel: a truth is none of its item's labels.
        """
        items = {item.id: item for item in self.repository.items(truths)}
        of_type = {kind: self.repository.label_set(kind) for kind in {item.mission_type for item in items.values()}}
        for item_id, label in truths.items():
            shared = of_type[items[item_id].mission_type]
            allowed = items[item_id].labels or (shared.labels if shared else ())
            if label not in allowed:
                raise UnknownLabel(label, allowed)
        self.repository.add_gold(
            [
                GoldItem(
                    tenant_id=self.work.tenant_id,
                    item_id=item_id,
                    mission_type=items[item_id].mission_type,
                    label=label,
                    source="seeded",
                    created_at=self.work.clock.now(),
                    created_by=self.work.actor.user_id,
                )
                for item_id, label in truths.items()
            ]
        )
        if truths:
            first = next(iter(items.values()))
            self.work.audit.record("gold.seeded", "mission_type", first.mission_type, count=len(truths))

    def key_slot(self, item_id: uuid.UUID) -> int:
        """The item's key slot, under which what others write about it is sealed too."""
        return self._item(item_id).key_slot

    # ---------------------------------------------------------------------------------------------------------- labels

    def record_label(
        self, item_id: uuid.UUID, label: str, *, labeler_id: uuid.UUID, mission_id: uuid.UUID, assignment_id: uuid.UUID
    ) -> uuid.UUID:
        """Record what a labeler answered in a mission, and announce it; returns the label event's id."""
        event = self._new_event(item_id, labeler_id, source="mission", label=label)
        event.mission_id, event.assignment_id = mission_id, assignment_id
        self.repository.add(event)
        self.work.outbox.publish(
            LabelRecorded(label_event_id=event.id, item_id=item_id, mission_id=mission_id, assignment_id=assignment_id)
        )
        return event.id

    def record_adjudication(
        self, item_id: uuid.UUID, label: str, *, decided_by: uuid.UUID, mission_id: uuid.UUID
    ) -> uuid.UUID:
        """Record what an owner or admin decided about an item; from now on that is its label."""
        event = self._new_event(item_id, decided_by, source="adjudication", label=label)
        event.mission_id = mission_id
        self.repository.add(event)
        return event.id

    def tombstone_label(self, assignment_id: uuid.UUID) -> None:
        """Take back the label an assignment gave, and announce it; harmless when repeated.

        Raises:
            NoSuchLabelEvent: the assignment gave none.
        """
        label = self.repository.label_of_assignment(assignment_id)
        if label is None:
            raise NoSuchLabelEvent(assignment_id)
        if self.repository.tombstone_of(label.id) is None:
            tombstone = self._new_event(label.item_id, label.labeler_id, source=label.source, label=None)
            tombstone.mission_id, tombstone.assignment_id, tombstone.tombstones = (
                label.mission_id,
                assignment_id,
                label.id,
            )
            self.repository.add(tombstone)
            self.work.outbox.publish(
                LabelTombstoned(
                    tombstone_id=tombstone.id,
                    label_event_id=label.id,
                    item_id=label.item_id,
                    mission_id=label.mission_id,
                    assignment_id=assignment_id,
                )
            )

    def posterior(self, item_id: uuid.UUID) -> Mapping[str, float]:
        """How probable each label of the item is, from all labels that count; an adjudication is certain."""
        item = self._item(item_id)
        labels = self._labels_of(item)
        # Labels given before the label set was changed say nothing about the present one.
        answers = [answer for answer in self.repository.answers(item) if answer.label in labels]
        decided = [answer for answer in answers if answer.source == "adjudication"]
        if decided:
            latest = max(decided, key=lambda answer: answer.created_at)
            return {label: float(label == latest.label) for label in labels}
        return posterior(
            [(answer.label, PRIOR_ACCURACY if answer.accuracy is None else answer.accuracy) for answer in answers],
            labels,
        )

    def uncertainty(self, item_id: uuid.UUID) -> float:
        """How much is left to learn about the item: its posterior's entropy, 1 before the first label, 0 if certain."""
        return normalised_entropy(self.posterior(item_id))

    def _item(self, item_id: uuid.UUID) -> Item:
        """The item; kept for the unit of work, for nothing of it ever changes."""
        item = self._items.get(item_id) or self.repository.item(item_id)
        if item is None:
            raise NotFound("Item")
        self._items[item_id] = item
        return item

    def _new_event(self, item_id: uuid.UUID, labeler_id: uuid.UUID, *, source: str, label: str | None) -> LabelEvent:
        return LabelEvent(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            item_id=item_id,
            labeler_id=labeler_id,
            kind="label" if label is not None else "tombstone",
            label=label,
            source=source,
            created_at=self.work.clock.now(),
        )


def opened_payload(keys: KeySlots, tenant_id: TenantId, item: Item) -> Mapping[str, Any] | None:
    """An item's payload; None where it was erased."""
    try:
        text = open_sealed(keys, tenant_id, SealedText(item.key_slot, item.sealed))
    except KeyErased:
        return None
    payload: Mapping[str, Any] = json.loads(text)
    return payload


def _payload_text(payload: Mapping[str, Any]) -> str:
    if _is_deeper_than(payload, MAX_PAYLOAD_DEPTH):
        raise InvalidValue("payload", "…", f"a JSON object nested at most {MAX_PAYLOAD_DEPTH} deep")
    try:
        text = stored_form(payload)
    except (ValueError, TypeError, RecursionError):
        # The exception would carry the value; an item's payload stands in no message and no log.
        raise InvalidValue("payload", "…", "a JSON object without NaN or infinities") from None
    size = size_bytes(text)
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(size, MAX_PAYLOAD_BYTES)
    return text


def _is_deeper_than(payload: object, depth: int) -> bool:
    level: list[Any] = [payload]
    for _ in range(depth):
        within = [part for part in level if isinstance(part, Mapping | list | tuple)]
        level = [value for part in within for value in (part.values() if isinstance(part, Mapping) else part)]
        if not level:
            return False
    return any(isinstance(part, Mapping | list | tuple) for part in level)
