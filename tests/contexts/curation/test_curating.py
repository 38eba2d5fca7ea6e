"""From labels to placed rows, step by step on the database: what counts, what stays, and what is never stored."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from shifty_pipelines.contexts.curation.domain.dawid_skene import pooled_dawid_skene
from shifty_pipelines.contexts.curation.domain.votes import collect_votes
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import Role, TenantId
from tests.contexts.arcade.stage import Stage
from tests.crowd import LABELERS, LABELS, TYPE, add_item, fill, label, take_back, text_of

SERVING = {"train", "validation", "test"}


class CuratingStage(Stage):
    @contextmanager
    def curation(self) -> Iterator[CurationService]:
        with self.work(self.lead, Role.OWNER) as work:
            yield CurationService(work, self.keys, self.pseudonyms)

    def say(self, item_id: uuid.UUID, answer: str, **how: Any) -> list[uuid.UUID]:
        self.wait(seconds=1)
        with self.curation() as curation:
            return label(curation, item_id, answer, **how)

    def item(self, text: str) -> uuid.UUID:
        self.wait(seconds=1)
        with self.curation() as curation:
            return add_item(curation, {"text": text})

    def fill(self, count: int, **how: Any) -> list[uuid.UUID]:
        with self.curation() as curation:
            return fill(curation, count, **how)

    def consensus(self) -> Any:
        with self.curation() as curation:
            return curation.reach_consensus(TYPE)

    def steps(self) -> dict[str, Any]:
        """Every step once; what each says."""
        self.wait(minutes=1)
        with self.curation() as curation:
            return {
                "consensus": curation.reach_consensus(TYPE),
                "scrubs": curation.scrub_texts(TYPE),
                "groups": curation.group_items(TYPE),
                "splits": curation.place_items(TYPE),
            }

    def decisions(self) -> dict[uuid.UUID, tuple[str, float, str, int]]:
        rows = self.query("SELECT item_id, label, posterior, basis, label_count FROM consensus_labels")
        return {item_id: (label, posterior, basis, count) for item_id, label, posterior, basis, count in rows}

    def splits(self) -> dict[uuid.UUID, str]:
        return dict(self.query("SELECT item_id, split FROM item_splits"))  # type: ignore[arg-type]

    def rows(self) -> dict[uuid.UUID, str]:
        """Text by item of the rows that the default dataset would take now."""
        with self.curation() as curation:
            (dataset,) = curation.datasets_of(TYPE)
            taken = curation.rows_of(dataset)
            return {row.item_id: text for row, text in curation.texts_of(TYPE, taken)}


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> CuratingStage:
    stage = CuratingStage(app_database, TenantId(new_tenant()))
    with stage.curation() as curation:
        curation.set_labels(TYPE, LABELS)
    return stage


def declare(stage: CuratingStage, labeler: uuid.UUID, accuracy: float) -> None:
    stage.query(
        """INSERT INTO labeler_skills (tenant_id, labeler_id, mission_type, accuracy, algorithm, updated_at)
        VALUES (:tenant, :labeler, :type, :accuracy, 'declared', now()) RETURNING 1""",
        tenant=stage.tenant_id,
        labeler=labeler,
        type=TYPE,
        accuracy=accuracy,
    )


# ----------------------------------------------------------------------------------------------------------- consensus


def test_decisions_and_skills_are_those_of_pooled_dawid_skene_on_the_same_votes(stage: CuratingStage) -> None:
    rng = np.random.default_rng(5)
    votes = []
    for number in range(40):
        item_id = stage.item(text_of(number))
        for place, labeler in enumerate(LABELERS):
            answer = LABELS[number % 3] if rng.random() < (0.9, 0.7, 0.5)[place] else LABELS[int(rng.integers(3))]
            stage.say(item_id, answer, labelers=[labeler])
            votes.append((str(item_id), str(labeler), answer))
    stage.consensus()
    clean, _ = collect_votes(votes, LABELS)
    fit = pooled_dawid_skene(clean)
    found = stage.decisions()
    assert len(found) == 40
    for item, shares in zip(clean.items, fit.posterior, strict=True):
        decided, posterior, basis, count = found[uuid.UUID(item)]
        assert (decided, basis, count) == (LABELS[int(shares.argmax())], "consensus", 3)
        assert posterior == pytest.approx(float(shares.max()))
    skills = stage.query("SELECT labeler_id, confusion, labels, label_count, algorithm FROM labeler_skills")
    assert len(skills) == 3
    for labeler_id, confusion, labels, count, algorithm in skills:
        expected = fit.confusion[clean.labelers.index(str(labeler_id))]
        assert np.reshape(confusion, (3, 3)) == pytest.approx(expected)
        assert (tuple(labels), count, algorithm) == (LABELS, 40, "pooled_dawid_skene")


def test_labels_that_were_taken_back_do_not_count(stage: CuratingStage) -> None:
    item_id, other = stage.item(text_of(1)), stage.item(text_of(2))
    wrong = stage.say(item_id, LABELS[1])
    stage.say(item_id, LABELS[0])
    gone = stage.say(other, LABELS[2])
    with stage.curation() as curation:
        take_back(curation, item_id, wrong)
    stage.consensus()
    assert stage.decisions()[item_id][0::3] == (LABELS[0], 3)
    with stage.curation() as curation:
        take_back(curation, other, gone)
    stage.consensus()
    assert set(stage.decisions()) == {item_id}  # an item without a label has no decision any more


def test_an_adjudication_wins_over_the_crowd_and_a_declared_source(stage: CuratingStage) -> None:
    items = stage.fill(12)
    source = uuid.UUID(int=50)
    declare(stage, source, 0.97)
    stage.say(items[0], LABELS[2], labelers=[source])
    stage.say(items[1], LABELS[2], labelers=[source])
    stage.say(items[1], LABELS[1], labelers=[stage.lead], source="adjudication")
    stage.say(items[2], LABELS[0], labelers=[stage.lead], source="adjudication")
    figures = stage.consensus()
    found = stage.decisions()
    assert found[items[0]] == (LABELS[2], 0.97, "declared", 4)
    assert found[items[1]] == (LABELS[1], 1.0, "adjudication", 5)
    assert found[items[2]] == (LABELS[0], 1.0, "adjudication", 4)
    assert found[items[3]][2] == "consensus"
    assert (figures["adjudicated"], figures["declared"]) == (2, 1)


def test_a_declared_skill_is_never_refitted_and_its_labels_are_no_votes(stage: CuratingStage) -> None:
    items = stage.fill(12)
    declare(stage, LABELERS[0], 0.6)
    stage.consensus()
    [(accuracy, algorithm)] = stage.query(
        "SELECT accuracy, algorithm FROM labeler_skills WHERE labeler_id = :who", who=LABELERS[0]
    )
    assert (accuracy, algorithm) == (0.6, "declared")
    assert {basis for _, _, basis, _ in stage.decisions().values()} == {"declared"}
    assert len(items) == 12


def test_a_refit_that_races_a_declaration_leaves_it(stage: CuratingStage) -> None:
    declare(stage, LABELERS[0], 0.6)
    row = {
        "labeler_id": LABELERS[0], "mission_type": TYPE, "accuracy": 0.9,
        "algorithm": "pooled_dawid_skene", "algorithm_version": 1,
        "label_count": 3, "labels": list(LABELS), "confusion": [], "updated_at": stage.clock.now(),
    }  # fmt: skip
    with stage.curation() as curation:
        curation.repository.put_skills([row])
    assert stage.query("SELECT accuracy, algorithm FROM labeler_skills") == [(0.6, "declared")]


def test_the_same_labels_again_change_nothing(stage: CuratingStage) -> None:
    stage.fill(30)
    first = stage.steps()
    everything = [
        stage.query(f"SELECT * FROM {table} ORDER BY 2")
        for table in ("consensus_labels", "labeler_skills", "item_scrubs", "item_groups", "item_splits")
    ]
    again = stage.steps()
    assert (first["consensus"]["changed"], again["consensus"]["changed"]) == (30, 0)
    assert (first["splits"]["moved"], again["splits"]["moved"]) == (30, 0)
    assert (first["scrubs"]["new"], again["scrubs"]["new"]) == (30, 0)
    assert everything == [
        stage.query(f"SELECT * FROM {table} ORDER BY 2")
        for table in ("consensus_labels", "labeler_skills", "item_scrubs", "item_groups", "item_splits")
    ]


def test_a_labeler_who_always_says_the_same_is_told_of_and_not_believed(stage: CuratingStage) -> None:
    items = stage.fill(30)
    monotone = uuid.UUID(int=60)
    for item_id in items:
        stage.say(item_id, LABELS[0], labelers=[monotone])
    with stage.curation() as curation:
        assert curation.survey_labels(TYPE)["one_label_labelers"] == 1
    stage.consensus()
    assert [stage.decisions()[item_id][0] for item_id in items] == [LABELS[n % 3] for n in range(30)]


# --------------------------------------------------------------------------------------------------------------- texts


def test_scrubs_are_spans_and_no_table_holds_a_word_of_a_text_in_the_clear(stage: CuratingStage) -> None:
    stage.fill(20)
    text = "zugspitze: write to ann@example.org or 203.0.113.9"
    item_id = stage.item(text)
    stage.say(item_id, LABELS[0])
    stage.steps()
    [(outcome, spans, chars)] = stage.query(
        "SELECT outcome, spans, char_count FROM item_scrubs WHERE item_id = :item", item=item_id
    )
    assert (outcome, chars) == ("kept", len("zugspitze: write to [EMAIL] or [IPV4]"))
    assert [(text[start:end], kind) for start, end, kind in spans] == [
        ("ann@example.org", "email"),
        ("203.0.113.9", "ipv4"),
    ]
    assert stage.rows()[item_id] == "zugspitze: write to [EMAIL] or [IPV4]"
    assert clear_columns_with(stage, LABELS[0]) >= {("consensus_labels", "label")}  # the search does find what is there
    assert clear_columns_with(stage, "zugspitze") == set()
    assert clear_columns_with(stage, "ann@example.org") == set()


def clear_columns_with(stage: CuratingStage, word: str) -> set[tuple[str, str]]:
    """Columns of any kind of the tenant's rows that hold the word, JSON, arrays and bytes included."""
    columns = stage.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type IN ('text', 'jsonb', 'ARRAY', 'bytea')"
        " AND has_table_privilege(format('%I.%I', table_schema, table_name), 'SELECT')"
    )
    return {
        (table, column)
        for table, column, kind in columns
        if stage.query(f"SELECT 1 FROM {table} WHERE position({_look(kind, column)}) > 0 LIMIT 1", word=word)
    }


def _look(kind: str, column: str) -> str:
    return f"convert_to(:word, 'UTF8') in {column}" if kind == "bytea" else f":word in CAST({column} AS text)"


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [({"text": "x" * 100_000}, "kept"), ({"text": "x" * 100_001}, "too_long"), ({"number": 1}, "blank")],
)
def test_texts_are_kept_up_to_a_length_and_blank_ones_are_not(
    stage: CuratingStage, payload: dict[str, Any], outcome: str
) -> None:
    with stage.curation() as curation:
        label(curation, add_item(curation, payload), LABELS[0])
    stage.steps()
    assert stage.query("SELECT outcome, text_hmac IS NULL FROM item_scrubs") == [(outcome, outcome != "kept")]


def test_an_erased_item_leaves_the_next_rows_whenever_it_was_erased(stage: CuratingStage) -> None:
    items = stage.fill(24)
    slots = dict(stage.query("SELECT id, key_slot FROM items"))  # type: ignore[arg-type]
    stage.keys.erase(stage.tenant_id, [slots[items[0]]])
    stage.steps()
    assert set(stage.rows()) == set(items[1:])
    stage.keys.erase(stage.tenant_id, [slots[items[1]]])  # after it was scrubbed, grouped and placed
    assert set(stage.rows()) == set(items[2:])
    stage.steps()
    assert set(stage.rows()) == set(items[2:])
    with stage.curation() as curation:
        waterfall = curation.waterfall(TYPE, min_posterior=0.9)
    assert (waterfall.items, waterfall.decided, waterfall.kept, waterfall.unique) == (24, 24, 22, 22)


def test_a_row_whose_labels_were_taken_back_since_is_none(stage: CuratingStage) -> None:
    items = stage.fill(24)
    events = stage.say(items[0], LABELS[0])
    stage.steps()
    others = [event for (event,) in stage.query("SELECT id FROM label_events WHERE item_id = :i", i=items[0])]
    with stage.curation() as curation:
        take_back(curation, items[0], others)
    assert set(events) <= set(others)
    assert items[0] not in stage.rows()


def lineages(stage: CuratingStage) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Label events by item of the rows that the default dataset would take now."""
    with stage.curation() as curation:
        (dataset,) = curation.datasets_of(TYPE)
        return {row.item_id: set(row.label_event_ids) for row in curation.rows_of(dataset)}


def test_a_rows_lineage_is_what_its_decision_counted(stage: CuratingStage) -> None:
    items = stage.fill(24)
    source, outside = uuid.UUID(int=50), uuid.UUID(int=51)
    declare(stage, source, 0.97)
    counted = set(stage.say(items[0], LABELS[0], labelers=[source]))
    counted |= set(stage.say(items[0], LABELS[0], labelers=[stage.lead], source="adjudication"))
    stage.say(items[0], "no label of the set", labelers=[outside])
    counted |= {event for (event,) in stage.query(
        "SELECT id FROM label_events WHERE item_id = :i AND labeler_id = ANY(:crowd)", i=items[0], crowd=[*LABELERS]
    )}  # fmt: skip
    stage.steps()
    later = stage.say(items[0], LABELS[1], labelers=[uuid.UUID(int=52)])  # and contradicts
    assert lineages(stage)[items[0]] == counted
    stage.steps()
    assert lineages(stage)[items[0]] == counted | set(later)


def test_a_row_of_which_a_counted_label_was_taken_back_waits_for_the_next_consensus(stage: CuratingStage) -> None:
    items = stage.fill(24)
    stage.steps()
    events = lineages(stage)[items[0]]
    gone = min(events)
    with stage.curation() as curation:
        take_back(curation, items[0], [gone])
    assert set(lineages(stage)) == set(items[1:])
    stage.steps()
    assert lineages(stage)[items[0]] == events - {gone}


# -------------------------------------------------------------------------------------------------------------- splits


def test_no_row_ever_changes_its_split_while_items_come(stage: CuratingStage) -> None:
    before: dict[uuid.UUID, str] = {}
    for start in range(0, 75, 15):
        stage.fill(15, start=start)
        moved = stage.steps()["splits"]["moved"]
        after = stage.splits()
        assert moved == 15
        assert {item_id: after[item_id] for item_id in before} == before
        before = after
    assert set(before.values()) == SERVING
    assert stage.query("SELECT count(*) FROM item_splits WHERE moved_at IS NOT NULL") == [(0,)]


def test_a_bridge_takes_the_rows_it_joins_out_of_all_splits_but_train(stage: CuratingStage) -> None:
    left, right = f"{text_of(900)} {text_of(901)}", f"{text_of(902)} {text_of(903)}"
    one, other = stage.item(left), stage.item(right)
    for item_id in (one, other):
        stage.say(item_id, LABELS[0])
    for item_id, split in ((one, "train"), (other, "test")):
        stage.query(
            "INSERT INTO item_splits VALUES (:t, :i, :type, :split, now(), NULL) RETURNING 1",
            t=stage.tenant_id, i=item_id, type=TYPE, split=split,
        )  # fmt: skip
    stage.fill(20)
    stage.steps()
    assert (stage.splits()[one], stage.splits()[other]) == ("train", "test")
    # One text near to both, word by word from the one to the other: a chain of near duplicates joins the two.
    chain, words, target = [], left.split(), right.split()
    for place, word in enumerate(target):
        words[place] = word
        chain.append(stage.item(" ".join(words)))
    for item_id in chain:
        stage.say(item_id, LABELS[0])
    figures = stage.steps()
    groups = dict(stage.query("SELECT item_id, group_id FROM item_groups"))  # type: ignore[arg-type]
    assert groups[one] == groups[other], "the chain must join the two, or nothing is shown"
    assert (stage.splits()[one], stage.splits()[other]) == ("train", "bridged")
    assert figures["splits"]["bridged"] == 1
    assert other not in stage.rows()
    assert stage.query("SELECT item_id, moved_at FROM item_splits WHERE moved_at IS NOT NULL") == [
        (other, stage.clock.now())
    ]


def test_a_text_that_was_trained_on_does_not_come_back_as_a_test_row_under_another_id(stage: CuratingStage) -> None:
    stage.fill(30)
    first, twins = [], []
    for number in range(600, 620):
        first.append(stage.item(text_of(number)))
        twins.append(stage.item(text_of(number)))
    events = {item_id: stage.say(item_id, LABELS[0]) for item_id in first}
    stage.steps()
    before = stage.splits()
    for item_id in twins:
        stage.say(item_id, LABELS[0])
    with stage.curation() as curation:  # the first ones are doubted: below what counts as decided
        for item_id in first:
            take_back(curation, item_id, events[item_id][1:])
            label(curation, item_id, LABELS[1], labelers=[LABELERS[1]])
            label(curation, item_id, LABELS[2], labelers=[LABELERS[2]])
    stage.steps()
    standing = dict(stage.query("SELECT item_id, outcome FROM item_groups"))  # type: ignore[arg-type]
    replaced = [(old, new) for old, new in zip(first, twins, strict=True) if standing[new] == "unique"]
    assert len(replaced) == 20, "the twins must stand for them now, or nothing is shown"
    after = stage.splits()
    assert [after[new] for _, new in replaced] == [before[old] for old, _ in replaced]
