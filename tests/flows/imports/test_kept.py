"""Labels out of files: what is kept, and whose word counts; every expected row by hand."""

import pytest

from shifty_pipelines.contexts.curation.domain.import_rows import ItemColumns, LabelColumns
from shifty_pipelines.kernel.tenant import Role
from tests.flows.import_stage import BY_MAINTAINER, BY_TEXT, ONLY_ID, ROWS, ImportStage, Write
from tests.flows.stage import LABELS, TYPE


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
