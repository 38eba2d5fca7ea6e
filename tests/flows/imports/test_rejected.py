"""Labels out of files: rows and label sets that are rejected, by name."""

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
from tests.flows.import_stage import ROWS, ImportStage, Write
from tests.flows.stage import LABELS


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
