"""A tenant to import labels into: files written on the spot, rejections kept in a list."""

import csv
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shifty_pipelines.contexts.curation.adapters.row_files import LocalRowFiles
from shifty_pipelines.contexts.curation.domain.import_rows import ItemColumns, LabelColumns
from shifty_pipelines.contexts.curation.domain.row_rejections import Rejection
from shifty_pipelines.flows.import_labels import ImportSummary, LabelImport, import_labels
from shifty_pipelines.kernel.tenant import Actor
from shifty_pipelines.services import Services
from tests.flows.stage import LABELS, TYPE, FlowStage

BY_ID = ItemColumns(item="item", text="text")
BY_TEXT = ItemColumns(text="text")
ONLY_ID = ItemColumns(item="item")
BY_WORKER = LabelColumns(label="label", labeler_column="who")
BY_MAINTAINER = LabelColumns(label="label", labeler="maintainer")


@dataclass
class Rejections:
    lines: list[tuple[str, Rejection]] = field(default_factory=list)

    def add(self, file_name: str, rejection: Rejection) -> None:
        self.lines.append((file_name, rejection))

    def short(self) -> list[tuple[int, str, str]]:
        return [(one.row, one.reason.value, one.value) for _, one in self.lines]


class ImportStage(FlowStage):
    @contextmanager
    def open(self, actor: Actor) -> Iterator[Services]:
        with self.services(actor.user_id, actor.role) as services:
            yield services

    def load(
        self, path: Path, *, texts: Path | None = None, **changed: Any
    ) -> tuple[ImportSummary, list[tuple[int, str, str]]]:
        """Import; by default an item's id, its text and who labelled it stand in columns of these names."""
        order: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "mission_type": TYPE,
            "source": "test",
            "item_columns": BY_ID,
            "label_columns": BY_WORKER,
            "labels": LABELS,
            **changed,
        }
        open_file = LocalRowFiles().open
        report = Rejections()
        items_file = open_file(texts) if texts else None
        summary = import_labels(self, LabelImport(**order), open_file(path), items_file=items_file, report=report)
        return summary, report.short()

    def stored(self) -> list[tuple[str, str, int]]:
        """Each item's external id and a label of it, with how often it was given; no order of rows plays a part."""
        rows = self.query(
            "SELECT i.external_id, e.label, e.labeler_id FROM label_events e JOIN items i ON i.id = e.item_id"
        )
        counted = Counter((external_id, label) for external_id, label, _ in rows)
        return sorted((external_id, label, count) for (external_id, label), count in counted.items())

    def counts(self) -> dict[str, int]:
        tables = ("items", "label_events", "missions", "xp_ledger", "outbox_events")
        return {table: self.query(f"SELECT count(*) FROM {table}")[0][0] for table in tables}

    def payload_of(self, external_id: str) -> Any:
        [(item_id,)] = self.query("SELECT id FROM items WHERE external_id = :id", id=external_id)
        with self.services(self.lead) as services:
            return services.curation.payloads([item_id]).get(item_id)

    def key_slot_of(self, external_id: str) -> int:
        return int(self.query("SELECT key_slot FROM items WHERE external_id = :id", id=external_id)[0][0])

    def labelers(self) -> set[uuid.UUID]:
        return {row[0] for row in self.query("SELECT labeler_id FROM label_events")}


def csv_of(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


#: Writes a file of rows.
Write = Callable[..., Path]

#: item, text, who, label
ROWS = [
    ("1", "waited 30 s", "ann", "timeout"),
    ("1", "waited 30 s", "bob", "timeout"),
    ("1", "waited 30 s", "cat", "network"),
    ("2", "no route to host", "ann", "network"),
]
