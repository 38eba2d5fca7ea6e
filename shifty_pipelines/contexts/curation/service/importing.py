"""Importing items and labels: a batch of good rows becomes items and label events, each once, in one transaction.

Imports write label events only: no missions, no XP, no announcement.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shifty_pipelines.contexts.curation.domain.import_memory import ImportMemory
from shifty_pipelines.contexts.curation.domain.import_rows import ImportRow
from shifty_pipelines.contexts.curation.domain.label_sets import check_labels
from shifty_pipelines.contexts.curation.domain.payloads import digest, same_text_form, stored_form
from shifty_pipelines.contexts.curation.domain.row_rejections import Reason, RowRefused
from shifty_pipelines.contexts.curation.errors import LabelsChangedMeanwhile, LabelSetDiffers, LabelSetMissing
from shifty_pipelines.contexts.curation.repository.imports import ImportedLabel, StoredItem
from shifty_pipelines.contexts.curation.service.base import CurationUseCases
from shifty_pipelines.contexts.curation.service.import_ids import ImportIds
from shifty_pipelines.contexts.curation.service.labelling import opened_payload
from shifty_pipelines.kernel.sealed import seal_many

Named = list[tuple[ImportRow, str]]  # a row and its item's external id

#: How sure a declared source's answer is: surer than any crowd, and still not certain.
DECLARED_ACCURACY = 0.99

#: Stands where an erased item's content would; no digest is this short.
ERASED = b"erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTarget:
    """Where rows go: a mission type with these labels, under the name of a source; without `write` they only could."""

    mission_type: str
    source: str
    labels: tuple[str, ...]
    label_column: str
    write: bool


@dataclass(slots=True, kw_only=True)
class BatchResult:
    """What became of a batch; a row in `refused` may be kept all the same, see `row_rejections.KEPT`."""

    refused: list[tuple[int, RowRefused]] = field(default_factory=list)
    items_new: int = 0
    items_there: int = 0
    labels_new: int = 0
    labels_there: int = 0


class Importing(CurationUseCases):
    """Rows of files on their way to items and label events."""

    def labels_for_import(self, mission_type: str, given: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
        """The labels that rows are judged by, and whether they are still to be set.

        Raises:
            LabelSetMissing: there are none, and none were given.
            LabelSetDiffers: others were given.
            InvalidLabels: those given break a rule.
        """
        present = self.repository.label_set(mission_type)
        if present is None:
            if given is None:
                raise LabelSetMissing(mission_type)
            check_labels(given)
            return tuple(given), True
        if given is not None and list(given) != present.labels:
            raise LabelSetDiffers(mission_type, given, present.labels)
        return tuple(present.labels), False

    def import_rows(self, rows: Sequence[ImportRow], *, target: ImportTarget, memory: ImportMemory) -> BatchResult:
        """Import good rows, in their order; what is there already stays as it is, and is not written again.

        Raises:
            LabelsChangedMeanwhile: the type's labels are no longer the target's.
        """
        if target.write:
            found = self.repository.label_set(target.mission_type, lock="share")
            if found is None or tuple(found.labels) != target.labels:
                raise LabelsChangedMeanwhile(target.mission_type)
        return _Batch(self, target, memory).run(rows)

    def trust_source(self, target: ImportTarget, labeler: str) -> None:
        """Take a labeler's answers as they are, since the operator vouches for this one source of all labels."""
        ids = ImportIds(self.pseudonyms, self.work.tenant_id, target.source, target.mission_type)
        labeler_id = ids.labelers([labeler])[labeler]
        if self.repository.declare_skill(
            labeler_id, target.mission_type, accuracy=DECLARED_ACCURACY, at=self.work.clock.now()
        ):
            self.work.audit.record("labeler.declared", "labeler", labeler_id, mission_type=target.mission_type)

    def record_import(self, target: ImportTarget, action: str, **counts: Any) -> None:
        """One audit row about an import."""
        self.work.audit.record(action, "mission_type", target.mission_type, source=target.source, **counts)


class _Batch:
    """One batch on its way into one transaction."""

    def __init__(self, service: Importing, target: ImportTarget, memory: ImportMemory) -> None:
        self._work = service.work
        self._keys = service.keys
        self._repository = service.repository
        self._target = target
        self._ids = ImportIds(service.pseudonyms, service.work.tenant_id, target.source, target.mission_type)
        self._memory = memory
        self._result = BatchResult()
        self._stored: dict[str, StoredItem] = {}
        self._contents: dict[str, bytes] = {}

    def run(self, rows: Sequence[ImportRow]) -> BatchResult:
        """Look up, judge, write: items first, because a label needs one."""
        named = self._named(rows)
        unseen = {external_id for _, external_id in named if self._memory.content_of(external_id) is None}
        self._look_up({external_id for _, external_id in named})
        self._open({external_id for row, external_id in named if row.payload is not None} & unseen)
        standing = self._standing(named, self._judge_item)
        with_text = {external_id: row for row, external_id in reversed(standing) if row.payload is not None}
        self._result.items_there = len(with_text.keys() & unseen & self._stored.keys())
        self._result.items_new = len(with_text.keys() & unseen - self._stored.keys())
        if self._target.write:
            lost = self._add_items({ext: row for ext, row in with_text.items() if ext not in self._stored})
            standing = self._standing(standing, self._judge_race) if lost else standing
        labelled = [(row, external_id) for row, external_id in standing if row.label is not None]
        self._add_labels(self._standing(labelled, self._judge_label))
        return self._result

    def _named(self, rows: Sequence[ImportRow]) -> list[tuple[ImportRow, str]]:
        nameless = [row.same_text for row in rows if row.external_id is None]
        derived = iter(self._ids.external_ids(nameless) if nameless else ())
        return [(row, row.external_id if row.external_id is not None else next(derived)) for row in rows]

    def _standing(self, named: Named, judge: Callable[[ImportRow, str], None]) -> Named:
        """The rows, in order, that the judge lets stand."""
        standing = []
        for row, external_id in named:
            try:
                judge(row, external_id)
            except RowRefused as refused:
                self._result.refused.append((row.number, refused))
            else:
                standing.append((row, external_id))
        return standing

    # ----------------------------------------------------------------------------------------------------------- items

    def _look_up(self, external_ids: Collection[str]) -> None:
        self._stored.update(self._repository.items_of_source(self._target.source, sorted(external_ids)))

    def _open(self, external_ids: Collection[str]) -> None:
        """Learn what the stored items say, to compare it with the file."""
        wanted = {self._stored[external_id].id: external_id for external_id in external_ids & self._stored.keys()}
        for item in self._repository.items(wanted) if wanted else ():
            payload = opened_payload(self._keys, self._work.tenant_id, item)
            self._contents[wanted[item.id]] = ERASED if payload is None else digest(same_text_form(payload))

    def _judge_item(self, row: ImportRow, external_id: str) -> None:
        problem = self._problem_of_item(row, external_id)
        if problem is not None:
            if row.label is None and problem is not Reason.DUPLICATE_ITEM:
                self._memory.refuse_item(external_id)
            raise RowRefused(problem, row.item_column, external_id)
        if row.payload is not None:
            self._memory.keep_item(row, external_id)

    def _problem_of_item(self, row: ImportRow, external_id: str) -> Reason | None:
        stored = self._stored.get(external_id)
        if stored is not None and stored.mission_type != self._target.mission_type:
            return Reason.ITEM_OF_OTHER_TYPE
        if row.payload is None:
            return self._problem_without_text(stored, external_id)
        seen = self._memory.content_of(external_id)
        known = seen or self._contents.get(external_id)
        if known == ERASED:
            return Reason.ITEM_ERASED
        if known is not None and known != row.content:
            return Reason.ITEM_DIFFERS
        return Reason.DUPLICATE_ITEM if seen is not None and row.label is None else None

    def _problem_without_text(self, stored: StoredItem | None, external_id: str) -> Reason | None:
        if self._memory.was_refused(external_id):
            return Reason.ITEM_REJECTED
        is_known = stored is not None or self._memory.content_of(external_id) is not None
        return None if is_known else Reason.UNKNOWN_ITEM

    def _add_items(self, new: Mapping[str, ImportRow]) -> bool:
        """Insert these items; whether another import was quicker with one of them."""
        if not new:
            return False
        # In one order everywhere, so that two imports at once wait for each other and never in a circle.
        ordered = sorted(new)
        texts = [stored_form(new[external_id].payload or {}) for external_id in ordered]
        sealed = seal_many(self._keys, self._work.tenant_id, texts)
        now = self._work.clock.now()
        inserted = self._repository.add_items_once(
            [
                {
                    "tenant_id": self._work.tenant_id,
                    "id": self._work.ids.new(),
                    "mission_type": self._target.mission_type,
                    "source": self._target.source,
                    "external_id": external_id,
                    "key_slot": one.slot,
                    "sealed": one.ciphertext,
                    "created_at": now,
                    "created_by": self._work.actor.user_id,
                }
                for external_id, one in zip(ordered, sealed, strict=True)
            ]
        )
        self._look_up(ordered)
        lost = new.keys() - inserted
        self._open(lost)
        self._result.items_new -= len(lost)
        self._result.items_there += len(lost)
        return bool(lost)

    def _judge_race(self, row: ImportRow, external_id: str) -> None:
        """Whether an item that another import inserted meanwhile says the same as this row."""
        found = self._contents.get(external_id)
        if row.payload is not None and found is not None and found != row.content:
            self._memory.forget_item(external_id)
            raise RowRefused(Reason.ITEM_DIFFERS, row.item_column, external_id)

    # ---------------------------------------------------------------------------------------------------------- labels

    def _judge_label(self, row: ImportRow, external_id: str) -> None:
        warning = self._memory.keep_label(row, external_id, self._target.label_column)
        if warning is not None:
            self._result.refused.append((row.number, warning))

    def _add_labels(self, named: Named) -> None:
        labels = self._labels([(row, external_id) for row, external_id in named if external_id in self._stored])
        if self._target.write:
            new = self._repository.add_imported_labels_once(labels, at=self._work.clock.now()) if labels else 0
        else:
            new = len(labels) - self._repository.label_events_among([label.id for label in labels])
        only_possible = len(named) - len(labels)  # of items that a dry run did not add
        self._result.labels_new = new + only_possible
        self._result.labels_there = len(labels) - new

    def _labels(self, named: Named) -> list[ImportedLabel]:
        labeler_ids = self._ids.labelers(row.labeler or "" for row, _ in named)
        given = [(self._stored[ext].id, labeler_ids[row.labeler or ""], row.label or "") for row, ext in named]
        labels = [
            ImportedLabel(id=event_id, item_id=item_id, labeler_id=labeler_id, label=label)
            for event_id, (item_id, labeler_id, label) in zip(self._ids.label_events(given), given, strict=True)
        ]
        return sorted(labels, key=lambda label: label.id)
