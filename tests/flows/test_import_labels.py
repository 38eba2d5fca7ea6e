"""Labels out of files; every expected row by hand."""

import dataclasses
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.import_rows import FileRow, ItemColumns, LabelColumns
from shifty_pipelines.contexts.curation.errors import (
    ImportColumnMissing,
    InvalidLabels,
    LabelsChangedMeanwhile,
    LabelSetDiffers,
    LabelSetMissing,
)
from shifty_pipelines.flows import import_labels as flow
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import Role, TenantId
from tests.flows.import_stage import BY_MAINTAINER, BY_TEXT, BY_WORKER, ONLY_ID, ImportStage, csv_of
from tests.flows.stage import LABELS, TYPE

#: item, text, who, label
ROWS = [
    ("1", "waited 30 s", "ann", "timeout"),
    ("1", "waited 30 s", "bob", "timeout"),
    ("1", "waited 30 s", "cat", "network"),
    ("2", "no route to host", "ann", "network"),
]


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> ImportStage:
    return ImportStage(app_database, TenantId(new_tenant()))


@pytest.fixture
def other(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> ImportStage:
    return ImportStage(app_database, TenantId(new_tenant()))


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: tuple[object, ...], header: str = "item,text,who,label", name: str = "labels.csv") -> Path:
        return csv_of(tmp_path / name, header, rows)

    return write


Write = Callable[..., Path]

# -------------------------------------------------------------------------------------------------------- what is kept


def test_a_row_becomes_an_item_and_a_label(stage: ImportStage, rows: Write) -> None:
    summary, rejected = stage.load(rows(*ROWS))

    assert rejected == []
    assert stage.stored() == [("1", "network", 1), ("1", "timeout", 2), ("2", "network", 1)]
    assert stage.payload_of("1") == {"text": "waited 30 s"}
    assert (summary.rows, summary.items_new, summary.labels_new) == (4, 2, 4)
    assert len(stage.labelers()) == 3


def test_an_import_writes_label_events_and_nothing_else(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(*ROWS))

    assert stage.counts() == {"items": 2, "label_events": 4, "missions": 0, "xp_ledger": 0, "outbox_events": 0}
    [found] = stage.query("SELECT DISTINCT kind, source, mission_id, assignment_id, created_at FROM label_events")
    assert found == ("label", "import", None, None, stage.clock.now())


def test_one_trusted_source_labels_texts_that_have_no_ids(stage: ImportStage, rows: Write) -> None:
    path = rows(("bug", "Crash", "It crashes"), ("feature", "Dark mode", ""), header="label,title,body")
    titled = ItemColumns(title="title", body="body")

    summary, rejected = stage.load(
        path, item_columns=titled, label_columns=BY_MAINTAINER, labels=["bug", "feature", "question"]
    )

    assert (rejected, summary.labels_new, len(stage.labelers())) == ([], 2, 1)
    [external_id] = [external_id for external_id, label, _ in stage.stored() if label == "bug"]
    assert stage.payload_of(external_id) == {"title": "Crash", "body": "It crashes"}


def test_texts_come_from_a_second_file(stage: ImportStage, rows: Write) -> None:
    texts = rows(("1", "one"), ("2", "two"), ("3", "three"), header="item,text", name="items.csv")
    labels = rows(("1", "ann", "timeout"), ("2", "ann", "network"), ("9", "ann", "timeout"), header="item,who,label")

    summary, rejected = stage.load(labels, texts=texts)

    assert rejected == [(4, "unknown_item", "'9'")]
    assert stage.stored() == [("1", "timeout", 1), ("2", "network", 1)]
    assert (summary.items_new, summary.labels_new) == (3, 2)
    assert stage.payload_of("3") == {"text": "three"}


def test_labels_alone_join_items_that_are_there(stage: ImportStage, rows: Write) -> None:
    with stage.services(stage.lead, Role.OWNER) as services:
        services.curation.set_labels(TYPE.value, LABELS)
        services.curation.add_item(TYPE.value, {"message": "waited"}, source="api", external_id="e-1")

    _, rejected = stage.load(
        rows(("e-1", "ann", "timeout"), ("e-2", "ann", "timeout"), header="item,who,label"),
        item_columns=ONLY_ID,
        source="api",
    )

    assert rejected == [(3, "unknown_item", "'e-2'")]
    assert stage.stored() == [("e-1", "timeout", 1)]


def test_a_label_is_renamed_on_its_way(stage: ImportStage, rows: Write) -> None:
    renaming = LabelColumns(label="label", labeler_column="who", renamed={"-4": "timeout"})
    _, rejected = stage.load(rows(("1", "a", "ann", "-4"), ("2", "b", "ann", "-3")), label_columns=renaming)
    assert stage.stored() == [("1", "timeout", 1)]
    assert rejected == [(3, "unknown_label", "'-3'")]


def test_the_posterior_counts_what_was_imported(stage: ImportStage, rows: Write) -> None:
    """Two of three for timeout at 0.8, three labels: 0.8*0.8*0.1 : 0.1*0.1*0.8 : 0.1*0.1*0.1 = 64 : 8 : 1."""
    stage.load(rows(*ROWS))
    [(item_id,)] = stage.query("SELECT id FROM items WHERE external_id = '1'")
    with stage.services(stage.lead) as services:
        found = services.curation.posterior(item_id)
    assert found == pytest.approx({"timeout": 64 / 73, "network": 8 / 73, "assertion": 1 / 73})


def test_the_database_holds_no_text_and_no_name(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("1", "marmalade", "annabella", "timeout")))
    stage.load(rows(("marmalade", "annabella", "timeout"), header="text,who,label"), item_columns=BY_TEXT)
    for table in ("items", "label_events", "audit_events"):
        for (row,) in stage.query(f"SELECT t::text FROM {table} t"):
            assert "marmalade" not in row
            assert "annabella" not in row
            assert b"marmalade".hex() not in row


# ------------------------------------------------------------------------------------------------------------ each once


def test_importing_again_changes_nothing_and_says_the_same(stage: ImportStage, rows: Write) -> None:
    path = rows(*ROWS, ROWS[0], ("1", "waited 30 s", "ann", "network"), ("3", "", "ann", "timeout"))
    first, rejected = stage.load(path)
    before = stage.query("SELECT * FROM label_events ORDER BY id"), stage.query("SELECT * FROM items ORDER BY id")
    stage.wait(minutes=5)

    again, rejected_again = stage.load(path)

    assert (
        rejected_again
        == rejected
        == [
            (6, "duplicate_label", "'timeout'"),
            (7, "contradicting_label", "'network'"),
            (8, "missing_value", "''"),
        ]
    )
    after = stage.query("SELECT * FROM label_events ORDER BY id"), stage.query("SELECT * FROM items ORDER BY id")
    assert after == before
    assert (first.labels_new, first.labels_there, first.contradictions) == (5, 0, 1)
    assert (again.labels_new, again.labels_there, again.items_there, again.contradictions) == (0, 5, 2, 1)


def test_nothing_is_sealed_for_what_is_there_already(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(*ROWS))
    assert stage.keys.count(stage.tenant_id) == 2
    stage.load(rows(*ROWS))
    assert stage.keys.count(stage.tenant_id) == 2


def test_both_of_two_contradicting_labels_are_kept(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("1", "a", "ann", "timeout"), ("1", "a", "ann", "network")))
    assert stage.stored() == [("1", "network", 1), ("1", "timeout", 1)]


def test_equal_texts_without_ids_are_one_item(stage: ImportStage, rows: Write) -> None:
    path = rows(("a", "ann", "timeout"), (" a\r\n", "bob", "timeout"), ("b", "ann", "timeout"), header="text,who,label")
    summary, rejected = stage.load(path, item_columns=BY_TEXT)
    assert (rejected, summary.items_new, summary.labels_new) == ([], 2, 3)


def test_the_same_name_from_another_source_is_somebody_else(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(ROWS[0]))
    stage.load(rows(ROWS[0]), source="elsewhere")
    assert (len(stage.labelers()), stage.counts()["items"]) == (2, 2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_a_batch_ends_does_not_matter(
    stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(flow, "BATCH_ROWS", size)
    path = rows(*ROWS, ROWS[0], ("1", "other", "dan", "timeout"), ("1", "waited 30 s", "ann", "network"))
    for _ in range(2):
        _, rejected = stage.load(path)
        assert rejected == [
            (6, "duplicate_label", "'timeout'"),
            (7, "item_differs", "'1'"),
            (8, "contradicting_label", "'network'"),
        ]
    assert stage.stored() == [("1", "network", 2), ("1", "timeout", 2), ("2", "network", 1)]


def test_a_long_text_ends_a_batch_early(stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "BATCH_TEXT_CHARS", 1)
    summary, _ = stage.load(rows(*ROWS))
    assert summary.labels_new == 4


def test_several_imports_of_one_file_at_once_import_it_once(stage: ImportStage, rows: Write) -> None:
    given = [(str(n % 40), f"text {n % 40}", f"w{n // 40}", LABELS[n % 3]) for n in range(400)]
    path = rows(*given)
    stage.set_labels()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: stage.load(path), range(4)))

    assert stage.counts() == {"items": 40, "label_events": 400, "missions": 0, "xp_ledger": 0, "outbox_events": 0}
    assert sum(summary.labels_new for summary, _ in done) == 400
    assert sum(summary.items_new for summary, _ in done) == 40
    assert [rejected for _, rejected in done] == [[]] * 4


def test_of_two_imports_at_once_the_slower_does_not_label_the_quicker_ones_text(
    stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other import comes between this one's look at the items and its insert."""
    stage.set_labels()
    slow, quick = rows(("1", "mine", "ann", "timeout")), rows(("1", "theirs", "bob", "network"), name="quick.csv")
    from shifty_pipelines.contexts.curation.repository.imports import ImportRows

    insert = ImportRows.add_items_once

    def overtaken(self: ImportRows, items: Any) -> set[str]:
        monkeypatch.setattr(ImportRows, "add_items_once", insert)
        stage.load(quick)
        return insert(self, items)

    monkeypatch.setattr(ImportRows, "add_items_once", overtaken)
    summary, rejected = stage.load(slow)

    assert rejected == [(2, "item_differs", "'1'")]
    assert stage.stored() == [("1", "network", 1)]
    assert (summary.items_new, summary.labels_new) == (0, 0)


# ----------------------------------------------------------------------------------------------------- what is rejected


def test_an_item_keeps_its_text_and_a_row_that_says_another_is_rejected(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("1", "first", "ann", "timeout")))
    _, rejected = stage.load(rows(("1", "second", "bob", "timeout"), ("1", "first", "cat", "timeout")))
    assert rejected == [(2, "item_differs", "'1'")]
    assert stage.payload_of("1") == {"text": "first"}
    assert stage.stored() == [("1", "timeout", 2)]


def test_a_rejected_row_leaves_no_item(stage: ImportStage, rows: Write) -> None:
    _, rejected = stage.load(rows(("1", "text", "ann", "fast"), ("2", "text", "", "timeout")))
    assert [reason for _, reason, _ in rejected] == ["unknown_label", "missing_value"]
    assert stage.counts()["items"] == 0


def test_an_item_of_another_mission_type_is_not_taken_over(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(ROWS[3]), mission_type=MissionType.VERIFY_FIX)
    _, rejected = stage.load(rows(ROWS[3]))
    assert rejected == [(2, "item_of_other_type", "'2'")]


def test_an_erased_item_stays_erased(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(*ROWS))
    stage.keys.erase(stage.tenant_id, [stage.key_slot_of("2")])

    _, rejected = stage.load(rows(*ROWS))

    assert rejected == [(5, "item_erased", "'2'")]
    assert stage.payload_of("2") is None


def test_labels_of_a_text_that_was_rejected_are_rejected_too(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("1", "first", "ann", "timeout")))
    texts = rows(("1", "second"), ("2", ""), ("3", "x"), ("3", "x"), header="item,text", name="items.csv")
    labels = rows(*((item, "bob", "timeout") for item in "123"), header="item,who,label")

    _, rejected = stage.load(labels, texts=texts)

    assert rejected == [
        (2, "item_differs", "'1'"),
        (3, "missing_value", "''"),
        (5, "duplicate_item", "'3'"),
        (2, "item_rejected", "'1'"),
        (3, "item_rejected", "'2'"),
    ]
    assert stage.stored() == [("1", "timeout", 1), ("3", "timeout", 1)]


def test_only_rows_that_a_filter_names_are_imported(stage: ImportStage, rows: Write) -> None:
    summary, _ = stage.load(rows(*ROWS), where={"who": "ann", "label": "network"})
    assert stage.stored() == [("2", "network", 1)]
    assert (summary.rows, summary.rows_left_out) == (4, 3)


def test_a_filter_holds_in_each_file_that_has_its_column(stage: ImportStage, rows: Write) -> None:
    texts = rows(("1", "a", "x"), ("2", "b", "y"), header="item,text,repo", name="items.csv")
    labels = rows(("1", "ann", "timeout"), ("2", "bob", "timeout"), header="item,who,label")
    _, rejected = stage.load(labels, texts=texts, where={"repo": "x"})
    assert rejected == [(3, "unknown_item", "'2'")]
    stage.load(labels, texts=texts, where={"who": "bob"})
    assert stage.stored() == [("1", "timeout", 1), ("2", "timeout", 1)]


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"item_columns": ItemColumns(item="id", text="text")}, "id"),
        ({"item_columns": ItemColumns(item="item", text="body")}, "body"),
        ({"label_columns": LabelColumns(label="answer", labeler="x")}, "answer"),
        ({"label_columns": LabelColumns(label="label", labeler_column="worker")}, "worker"),
        ({"where": {"repo": "x"}}, "repo"),
    ],
)
def test_a_column_that_is_not_there_is_named_beside_those_that_are(
    stage: ImportStage, rows: Write, changed: dict[str, Any], column: str
) -> None:
    with pytest.raises(ImportColumnMissing, match=f"no column '{column}'. It has: item, text, who, label"):
        stage.load(rows(*ROWS), **changed)
    assert stage.query("SELECT count(*) FROM label_sets") == [(0,)]


# ----------------------------------------------------------------------------------------------------------- label sets


def test_without_labels_there_is_nothing_to_import_into(stage: ImportStage, rows: Write) -> None:
    with pytest.raises(LabelSetMissing, match="--labels"):
        stage.load(rows(*ROWS), labels=None)


def test_an_import_brings_the_first_label_set_and_the_next_one_needs_none(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(ROWS[0]))
    stage.load(rows(ROWS[3]), labels=None)
    assert stage.query("SELECT mission_type, labels FROM label_sets") == [("classify_error", list(LABELS))]
    assert stage.counts()["label_events"] == 2


def test_an_import_does_not_change_a_label_set(stage: ImportStage, rows: Write) -> None:
    stage.set_labels()
    with pytest.raises(LabelSetDiffers, match="has the labels assertion, network, timeout"):
        stage.load(rows(*ROWS), labels=["network", "timeout"])


@pytest.mark.parametrize("write", [True, False])
def test_a_label_set_that_breaks_a_rule_is_refused(stage: ImportStage, rows: Write, *, write: bool) -> None:
    with pytest.raises(InvalidLabels):
        stage.load(rows(*ROWS), labels=["network"], write=write)


def test_labels_changed_under_way_stop_the_import_and_a_second_run_goes_on(
    stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "BATCH_ROWS", 1)
    is_wanted, seen = flow.is_wanted, []

    def change_before_the_third(row: FileRow, where: Any) -> bool:
        seen.append(row)
        if len(seen) == 3:
            stage.set_labels("network", "timeout")
        return is_wanted(row, where)

    monkeypatch.setattr(flow, "is_wanted", change_before_the_third)
    with pytest.raises(LabelsChangedMeanwhile):
        stage.load(rows(*ROWS))
    assert stage.counts()["label_events"] == 2

    stage.load(rows(*ROWS), labels=None)
    assert stage.counts()["label_events"] == 4


# ------------------------------------------------------------------------------------------------ tenants, audit, trial


def test_another_tenant_sees_nothing_and_its_ids_are_others(
    stage: ImportStage, other: ImportStage, rows: Write
) -> None:
    other = dataclasses.replace(other, pseudonyms=stage.pseudonyms, keys=stage.keys)
    path = rows(("a", "ann", "timeout"), header="text,who,label")
    stage.load(path, item_columns=BY_TEXT)
    assert other.counts()["label_events"] == other.counts()["items"] == 0

    other.load(path, item_columns=BY_TEXT)

    assert stage.labelers().isdisjoint(other.labelers())
    assert stage.stored()[0][0] != other.stored()[0][0]


def test_an_import_is_audited_before_its_first_row_and_with_its_counts(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(*ROWS, ("3", "x", "ann", "fast"), ROWS[0]))
    found = stage.query(
        "SELECT action, actor_id, object_type, object_id, details FROM audit_events"
        " WHERE action LIKE 'labels.%' ORDER BY action DESC"
    )
    assert found == [
        ("labels.imported", None, "mission_type", "classify_error", {
            "source": "test", "rows": 6, "items_new": 2, "items_there": 0, "labels_new": 4, "labels_there": 0,
            "contradictions": 0, "rejected": {"duplicate_label": 1, "unknown_label": 1},
        }),
        ("labels.import_started", None, "mission_type", "classify_error", {"source": "test"}),
    ]  # fmt: skip


def test_a_dry_run_writes_nothing_and_says_what_the_import_will(
    stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "BATCH_ROWS", 2)
    path = rows(*ROWS, ROWS[0], ("1", "other", "dan", "timeout"), ("1", "waited 30 s", "ann", "network"))

    tried, rejected = stage.load(path, write=False)

    assert stage.counts() == {"items": 0, "label_events": 0, "missions": 0, "xp_ledger": 0, "outbox_events": 0}
    assert stage.query("SELECT count(*) FROM label_sets") == [(0,)]
    assert stage.query("SELECT count(*) FROM audit_events") == [(0,)]
    assert stage.keys.count(stage.tenant_id) == 0
    for write in (True, False):
        done, rejected_then = stage.load(path, write=write)
        assert rejected_then == rejected
        if write:
            assert dataclasses.replace(done, took_s=0) == dataclasses.replace(tried, took_s=0)
    assert (done.labels_new, done.labels_there, done.items_new, done.items_there) == (0, 5, 0, 2)


def test_a_dry_run_of_two_files_knows_the_items_to_come(stage: ImportStage, rows: Write) -> None:
    texts = rows(("1", "one"), header="item,text", name="items.csv")
    labels = rows(("1", "ann", "timeout"), ("2", "ann", "timeout"), header="item,who,label")
    summary, rejected = stage.load(labels, texts=texts, write=False)
    assert (summary.items_new, summary.labels_new) == (1, 1)
    assert rejected == [(3, "unknown_item", "'2'")]


def test_progress_is_told_from_start_to_end(stage: ImportStage, rows: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from shifty_pipelines.contexts.curation.adapters.row_files import LocalRowFiles
    from tests.flows.import_stage import BY_ID, Rejections

    monkeypatch.setattr(flow, "BATCH_ROWS", 1)
    parts: list[float] = []
    order = flow.LabelImport(
        tenant_id=stage.tenant_id,
        mission_type=TYPE,
        source="test",
        item_columns=BY_ID,
        label_columns=BY_WORKER,
        labels=LABELS,
    )
    path = rows(*ROWS)
    flow.import_labels(stage, order, LocalRowFiles().open(path), report=Rejections(), on_progress=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def decided(stage: ImportStage) -> dict[str, tuple[str, float, str]]:
    with stage.services(None) as services:
        services.curation.reach_consensus(TYPE)
    found = stage.query(
        "SELECT i.external_id, c.label, c.posterior, c.basis FROM consensus_labels c JOIN items i ON i.id = c.item_id"
    )
    return {external_id: (label, posterior, basis) for external_id, label, posterior, basis in found}


def test_a_named_labelers_answers_are_taken_as_they_are(stage: ImportStage, rows: Write) -> None:
    stage.load(
        rows(("a", "one", "network"), ("b", "two", "timeout"), header="item,text,label"), label_columns=BY_MAINTAINER
    )
    assert decided(stage) == {"a": ("network", 0.99, "declared"), "b": ("timeout", 0.99, "declared")}


def test_a_named_labeler_stands_above_a_crowd_and_no_refit_changes_that(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("a", "one", "network"), header="item,text,label"), label_columns=BY_MAINTAINER)
    crowd = [(item, text, "timeout", who) for item, text in (("a", "one"), ("b", "two")) for who in "xyz"]
    stage.load(rows(*crowd, header="item,text,label,who"))
    first = decided(stage)
    assert first["a"] == ("network", 0.99, "declared")
    assert (first["b"][0], first["b"][2]) == ("timeout", "consensus")
    assert decided(stage) == first
    skills = stage.query("SELECT algorithm, count(*) FROM labeler_skills GROUP BY 1 ORDER BY 1")
    assert skills == [("declared", 1), ("pooled_dawid_skene", 3)]


def test_a_dry_run_trusts_nobody(stage: ImportStage, rows: Write) -> None:
    stage.load(rows(("a", "one", "network"), header="item,text,label"), label_columns=BY_MAINTAINER, write=False)
    assert stage.query("SELECT labeler_id FROM labeler_skills") == []
