"""Importing labels from files: read, judge row by row, write batch by batch, and report what was rejected and why.

Every batch is one transaction and every id follows from the file, so an import that was killed is simply run again:
what is there stays, what is missing is added, and the report is the same.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.import_memory import ImportMemory
from shifty_pipelines.contexts.curation.domain.import_rows import (
    FileRow,
    ImportRow,
    ItemColumns,
    LabelColumns,
    is_wanted,
    plain,
    read_row,
)
from shifty_pipelines.contexts.curation.domain.row_rejections import KEPT, Reason, Rejection, RowRefused
from shifty_pipelines.contexts.curation.errors import ImportColumnMissing
from shifty_pipelines.contexts.curation.ports import RowFile
from shifty_pipelines.contexts.curation.service.importing import ImportTarget
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.kernel.tenant import Actor, TenantId, system_actor
from shifty_pipelines.services import Services

#: A transaction's worth: few enough that nobody waits for its locks, enough that its fsyncs do not count.
BATCH_ROWS = 2_000
BATCH_TEXT_CHARS = 4 * 1024 * 1024
#: Values of a filtered column to name when none of them matched.
VALUES_NAMED = 10


class ImportDesk(Protocol):
    """What this flow needs of the platform."""

    def open(self, actor: Actor) -> AbstractContextManager[Services]:
        """A unit of work of `actor`."""
        ...


class RejectionReport(Protocol):
    """Where rejected rows are listed."""

    def add(self, file_name: str, rejection: Rejection) -> None:
        """One more line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelImport:
    """What to import, from which columns, and where to.

    Attributes:
        source: names where the rows come from; ids are only compared within one source.
        labels: the mission type's first label set; None to use the one it has.
        where: only rows whose columns have these values, in each file that has the column.
        write: False only tells what would happen.
    """

    tenant_id: TenantId
    mission_type: MissionType
    source: str
    item_columns: ItemColumns
    label_columns: LabelColumns
    labels: Sequence[str] | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    write: bool = True


@dataclass(slots=True, kw_only=True)
class ImportSummary:
    """What an import came to; `rejected` and `contradictions` follow from the file alone, run for run."""

    rows: int = 0
    rows_left_out: int = 0
    items_new: int = 0
    items_there: int = 0
    labels_new: int = 0
    labels_there: int = 0
    contradictions: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    values_left_out: set[str] = field(default_factory=set)
    took_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported, now or earlier."""
        return not (self.items_new or self.items_there or self.labels_new or self.labels_there)


def import_labels(
    desk: ImportDesk,
    order: LabelImport,
    labels_file: RowFile,
    *,
    items_file: RowFile | None = None,
    report: RejectionReport,
    on_progress: Callable[[float], None] = lambda _: None,
) -> ImportSummary:
    """Import a file of labels, with its items' texts in the same file, in a second one, or there already.

    Raises:
        ImportColumnMissing: a file lacks a column.
        LabelSetMissing, LabelSetDiffers, InvalidLabels: the labels cannot be those of the mission type.
        LabelsChangedMeanwhile: they were changed under way; the batches before that stay.
    """
    _check_columns(order, labels_file, items_file)
    began = time.perf_counter()
    target = _begin(desk, order)
    run = _Run(desk, order, target, report)
    if items_file is None:
        run.read(labels_file, order.item_columns, order.label_columns, on_progress)
    else:
        # Texts first, because a label needs its item: the first half of the way.
        run.read(items_file, order.item_columns, None, lambda part: on_progress(part / 2))
        only_ids = ItemColumns(item=order.item_columns.item)
        run.read(labels_file, only_ids, order.label_columns, lambda part: on_progress(0.5 + part / 2))
    run.summary.took_s = time.perf_counter() - began
    if order.write:
        _finish(desk, order, target, run.summary)
    return run.summary


def _check_columns(order: LabelImport, labels_file: RowFile, items_file: RowFile | None) -> None:
    of_items = order.item_columns.names()
    of_labels = order.label_columns.names()
    if items_file is None:
        of_labels += of_items
    else:
        _require_columns(items_file, of_items)
        of_labels += [name for name in (order.item_columns.item,) if name is not None]
    _require_columns(labels_file, of_labels)
    for column in order.where:
        if items_file is None or column not in items_file.columns:
            _require_columns(labels_file, [column])


def _require_columns(file: RowFile, names: Sequence[str]) -> None:
    for name in names:
        if name not in file.columns:
            raise ImportColumnMissing(name, file.name, file.columns)


def _begin(desk: ImportDesk, order: LabelImport) -> ImportTarget:
    """Agree on the labels, and leave a trace before the first row: a label never stands without an audit row."""
    with desk.open(system_actor(order.tenant_id)) as services:
        labels, is_new = services.curation.labels_for_import(order.mission_type.value, order.labels)
        target = ImportTarget(
            mission_type=order.mission_type.value,
            source=order.source,
            labels=labels,
            label_column=order.label_columns.label,
            write=order.write,
        )
        if order.write:
            if is_new:
                set_labels(services, order.mission_type, labels)
            services.curation.record_import(target, "labels.import_started")
            if order.label_columns.labeler is not None:
                services.curation.trust_source(target, order.label_columns.labeler)
        return target


def _finish(desk: ImportDesk, order: LabelImport, target: ImportTarget, summary: ImportSummary) -> None:
    with desk.open(system_actor(order.tenant_id)) as services:
        services.curation.record_import(
            target,
            "labels.imported",
            rows=summary.rows,
            items_new=summary.items_new,
            items_there=summary.items_there,
            labels_new=summary.labels_new,
            labels_there=summary.labels_there,
            contradictions=summary.contradictions,
            rejected={reason.value: count for reason, count in sorted(summary.rejected.items())},
        )


class _Run:
    """One import under way."""

    def __init__(self, desk: ImportDesk, order: LabelImport, target: ImportTarget, report: RejectionReport) -> None:
        self.summary = ImportSummary()
        self._desk = desk
        self._order = order
        self._target = target
        self._report = report
        self._memory = ImportMemory(target.labels)

    def read(
        self, file: RowFile, items: ItemColumns, labels: LabelColumns | None, on_progress: Callable[[float], None]
    ) -> None:
        where = {column: value for column, value in self._order.where.items() if column in file.columns}
        good: list[ImportRow] = []
        refused: list[tuple[int, RowRefused]] = []
        chars = 0
        for row in file.rows():
            self.summary.rows += 1
            if not is_wanted(row, where):
                self._leave_out(row, where)
                continue
            try:
                good.append(read_row(row, items, labels, self._target.labels))
                chars += len(good[-1].same_text)
            except RowRefused as refusal:
                refused.append((row.number, refusal))
                if labels is None and items.item is not None:
                    self._memory.refuse_item(plain(row.cells.get(items.item)))
            if len(good) + len(refused) >= BATCH_ROWS or chars >= BATCH_TEXT_CHARS:
                self._write(file, good, refused)
                on_progress(file.fraction_read)
                good, refused, chars = [], [], 0
        self._write(file, good, refused)
        on_progress(1.0)

    def _write(self, file: RowFile, good: Sequence[ImportRow], refused: list[tuple[int, RowRefused]]) -> None:
        if good:
            with self._desk.open(system_actor(self._order.tenant_id)) as services:
                result = services.curation.import_rows(good, target=self._target, memory=self._memory)
            self.summary.items_new += result.items_new
            self.summary.items_there += result.items_there
            self.summary.labels_new += result.labels_new
            self.summary.labels_there += result.labels_there
            refused = [*refused, *result.refused]
        for number, refusal in sorted(refused, key=lambda one: one[0]):
            if refusal.reason in KEPT:
                self.summary.contradictions += 1
            else:
                self.summary.rejected[refusal.reason] += 1
            self._report.add(file.name, refusal.at(number))

    def _leave_out(self, row: FileRow, where: Mapping[str, str]) -> None:
        self.summary.rows_left_out += 1
        if len(self.summary.values_left_out) < VALUES_NAMED:
            different = (plain(row.cells.get(column)) for column, value in where.items())
            self.summary.values_left_out.update(value for value in different if value not in where.values())
