"""Labels out of files: each once, however often and by however many they are imported."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shifty_pipelines.flows import import_labels as flow
from tests.flows.import_stage import BY_TEXT, ROWS, ImportStage, Write
from tests.flows.stage import LABELS


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
