"""What the tables themselves forbid, whatever the code above them does."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import Role, TenantId
from tests.contexts.arcade.stage import Stage, person


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> Stage:
    return Stage(app_database, TenantId(new_tenant()))


def set_labels(stage: Stage, *labels: str) -> None:
    with stage.work(stage.lead, Role.OWNER) as work:
        CurationService(work, stage.keys, stage.pseudonyms).set_labels("classify_error", labels)


def labelled_item(stage: Stage) -> tuple[uuid.UUID, uuid.UUID]:
    """An item with one label; its id and the assignment's."""
    set_labels(stage, "a", "b")
    assignment_id = uuid.uuid4()
    with stage.work(stage.lead, Role.OWNER) as work:
        curation = CurationService(work, stage.keys, stage.pseudonyms)
        item_id = curation.add_item("classify_error", {}, source="api")
        curation.record_label(item_id, "a", labeler_id=person(), mission_id=uuid.uuid4(), assignment_id=assignment_id)
    return item_id, assignment_id


@pytest.mark.parametrize("table", ["label_events", "xp_ledger"])
@pytest.mark.parametrize("change", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_cannot_change_what_was_said_or_paid(stage: Stage, table: str, change: str) -> None:
    labelled_item(stage)
    with pytest.raises(ProgrammingError, match="permission denied"):
        stage.query(change.format(table))


def test_an_assignment_gives_one_label(stage: Stage) -> None:
    item_id, assignment_id = labelled_item(stage)
    with stage.work(stage.lead, Role.OWNER) as work, pytest.raises(IntegrityError, match="label_events_assignment"):
        CurationService(work, stage.keys, stage.pseudonyms).record_label(
            item_id, "b", labeler_id=person(), mission_id=uuid.uuid4(), assignment_id=assignment_id
        )


def test_a_label_is_tombstoned_once(stage: Stage) -> None:
    item_id, _ = labelled_item(stage)
    bury = """INSERT INTO label_events (tenant_id, id, item_id, labeler_id, kind, source, tombstones, created_at)
    SELECT tenant_id, gen_random_uuid(), item_id, labeler_id, 'tombstone', source, id, now() FROM label_events
    WHERE item_id = :item AND kind = 'label' RETURNING id"""
    stage.query(bury, item=item_id)
    with pytest.raises(IntegrityError, match="tombstones"):
        stage.query(bury, item=item_id)


def test_two_first_callers_set_one_label_set(stage: Stage) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: set_labels(stage, "a", "b"), range(8)))
    assert stage.query("SELECT mission_type, labels FROM label_sets") == [("classify_error", ["a", "b"])]


def test_setting_labels_again_replaces_them(stage: Stage) -> None:
    set_labels(stage, "a", "b")
    stage.wait(minutes=1)
    set_labels(stage, "c", "d", "e")
    assert stage.query("SELECT labels, updated_at FROM label_sets") == [(["c", "d", "e"], stage.clock.now())]
