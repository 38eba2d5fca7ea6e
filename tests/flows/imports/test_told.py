"""Labels out of files: what others see, what is audited, what a trial and progress tell."""

import dataclasses

import pytest

from shifty_pipelines.flows import import_labels as flow
from tests.flows.import_stage import BY_TEXT, BY_WORKER, ROWS, ImportStage, Write
from tests.flows.stage import LABELS, TYPE


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
