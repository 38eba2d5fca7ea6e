"""Items and labels; posteriors by hand."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shifty_pipelines.contexts.curation.domain.payloads import MAX_PAYLOAD_BYTES
from shifty_pipelines.contexts.curation.domain.posterior import posterior
from shifty_pipelines.contexts.curation.errors import NoSuchLabelEvent, PayloadTooLarge
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Role, TenantId, UserId
from tests.contexts.arcade.stage import Stage, person

LABELS = ["assertion", "environment", "network", "timeout"]


class CurationStage(Stage):
    @contextmanager
    def curation(self) -> Iterator[CurationService]:
        with self.work(self.lead, Role.OWNER) as work:
            yield CurationService(work, self.keys, self.pseudonyms)

    def set_labels(self, mission_type: str = "classify_error", labels: list[str] = LABELS) -> None:
        with self.curation() as curation:
            curation.set_labels(mission_type, labels)

    def item(self) -> uuid.UUID:
        with self.curation() as curation:
            return curation.add_item("classify_error", {"message": "boom"}, source="api")

    def label(self, item_id: uuid.UUID, labeler_id: UserId, label: str) -> uuid.UUID:
        """The id of the assignment that gave the label."""
        assignment_id = uuid.uuid4()
        with self.curation() as curation:
            curation.record_label(
                item_id, label, labeler_id=labeler_id, mission_id=uuid.uuid4(), assignment_id=assignment_id
            )
        self.wait(seconds=1)
        return assignment_id

    def posterior(self, item_id: uuid.UUID) -> dict[str, float]:
        with self.curation() as curation:
            return dict(curation.posterior(item_id))


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> CurationStage:
    stage = CurationStage(app_database, TenantId(new_tenant()))
    stage.set_labels()
    return stage


# ----------------------------------------------------------------------------------------------------------- posterior


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([], {"a": 1 / 4}, id="nobody said anything"),
        pytest.param([("a", 0.8)], {"a": 0.8, "b": 0.2 / 3}, id="one answer is believed as far as its labeler"),
        pytest.param([("a", 0.8)] * 2, {"a": 0.9795918, "b": 0.0068027}, id="two who agree: .64 / (.64 + 3 (.2/3)^2)"),
        pytest.param(
            [("a", 0.8), ("b", 0.85)],
            {"a": 0.04 / (0.04 + 0.2 / 3 * 0.85 + 2 * 0.2 / 3 * 0.05)},
            id="of two who differ, .8 and .85: .8 (.05) against (.2/3) .85, and (.2/3) (.05) for each other",
        ),
        pytest.param([("a", 0.25)], {"a": 1 / 4, "b": 1 / 4}, id="a labeler at chance says nothing"),
        pytest.param([("a", 0.1)], {"a": 0.1, "b": 0.3}, id="one below chance says the contrary"),
    ],
)
def test_a_posterior_is_what_one_computes_by_hand(answers: list[tuple[str, float]], expected: dict[str, float]) -> None:
    found = posterior(answers, ["a", "b", "c", "d"])
    assert {label: found[label] for label in expected} == pytest.approx(expected, abs=1e-7)
    assert sum(found.values()) == pytest.approx(1)


def test_a_thousand_answers_do_not_underflow() -> None:
    found = posterior([("a", 0.8)] * 600 + [("b", 0.8)] * 400, ["a", "b"])
    assert (found["a"], found["b"]) == (pytest.approx(1), pytest.approx(0, abs=1e-100))


def test_an_answer_outside_the_labels_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="none of the 2 labels"):
        posterior([("z", 0.8)], ["a", "b"])


# -------------------------------------------------------------------------------------------------- what counts as said


def test_two_unknown_labelers_who_agree_are_believed_at_the_prior_accuracy(stage: CurationStage) -> None:
    item_id = stage.item()
    for _ in range(2):
        stage.label(item_id, person(), "timeout")
    assert stage.posterior(item_id)["timeout"] == pytest.approx(0.64 / (0.64 + 3 * (0.2 / 3) ** 2))


def test_a_stored_skill_counts_instead_of_the_prior_for_its_mission_type_only(stage: CurationStage) -> None:
    item_id, labeler = stage.item(), person()
    insert = """INSERT INTO labeler_skills VALUES (:tenant, :labeler, :type, :accuracy, 'test', now()) RETURNING 1"""
    for mission_type, accuracy in (("classify_error", 0.7), ("verify_fix", 0.3)):
        stage.query(insert, tenant=stage.tenant_id, labeler=labeler, type=mission_type, accuracy=accuracy)
    stage.label(item_id, labeler, "timeout")
    assert stage.posterior(item_id) == pytest.approx(
        {"timeout": 0.7, "assertion": 0.1, "environment": 0.1, "network": 0.1}
    )


def test_one_labeler_counts_once_with_their_latest_label(stage: CurationStage) -> None:
    item_id, labeler = stage.item(), person()
    stage.label(item_id, labeler, "network")
    stage.label(item_id, labeler, "timeout")
    assert stage.posterior(item_id)["timeout"] == pytest.approx(0.8)


def test_a_tombstoned_label_does_not_count_and_its_predecessor_does_again(stage: CurationStage) -> None:
    item_id, labeler = stage.item(), person()
    stage.label(item_id, labeler, "network")
    assignment_id = stage.label(item_id, labeler, "timeout")
    for _ in range(2):
        with stage.curation() as curation:
            curation.tombstone_label(assignment_id)
    assert stage.posterior(item_id)["network"] == pytest.approx(0.8)
    assert stage.query("SELECT count(*) FROM label_events WHERE kind = 'tombstone'") == [(1,)]


def test_only_a_label_that_was_given_is_taken_back(stage: CurationStage) -> None:
    with stage.curation() as curation, pytest.raises(NoSuchLabelEvent):
        curation.tombstone_label(uuid.uuid4())


def test_labels_that_are_no_longer_in_the_set_do_not_count(stage: CurationStage) -> None:
    item_id = stage.item()
    stage.label(item_id, person(), "environment")
    stage.label(item_id, person(), "timeout")
    stage.set_labels(labels=["network", "timeout"])
    assert stage.posterior(item_id) == pytest.approx({"timeout": 0.8, "network": 0.2})


def test_the_latest_adjudication_decides(stage: CurationStage) -> None:
    item_id = stage.item()
    stage.label(item_id, person(), "timeout")
    for label in ("network", "assertion"):
        with stage.curation() as curation:
            curation.record_adjudication(item_id, label, decided_by=person(), mission_id=uuid.uuid4())
        stage.wait(seconds=1)
    assert stage.posterior(item_id) == {"assertion": 1.0, "environment": 0.0, "network": 0.0, "timeout": 0.0}


# --------------------------------------------------------------------------------------------------------------- items


def test_a_payload_may_be_256_kib_and_not_a_byte_more(stage: CurationStage) -> None:
    # {"m":"..."} is 8 bytes around the text; é is two bytes in UTF-8.
    largest = {"m": "é" * ((MAX_PAYLOAD_BYTES - 8) // 2)}
    with stage.curation() as curation:
        item_id = curation.add_item("classify_error", largest, source="api")
        assert curation.payloads([item_id]) == {item_id: largest}
    with stage.curation() as curation, pytest.raises(PayloadTooLarge, match=r"262145 bytes.*may have 262144"):
        curation.add_item("classify_error", {"m": largest["m"] + "x"}, source="api")


def nested(depth: int) -> dict[str, object]:
    payload: dict[str, object] = {}
    for _ in range(depth):
        payload = {"deeper": payload}
    return payload


@pytest.mark.parametrize(
    "payload",
    [{"marmalade": float("nan")}, {"x": [float("inf")]}, nested(101), nested(100_000)],
    ids=["NaN", "infinity", "too deep", "far too deep"],
)
def test_a_payload_that_is_no_json_is_refused_without_repeating_it(
    stage: CurationStage, payload: dict[str, object]
) -> None:
    with stage.curation() as curation, pytest.raises(InvalidValue) as refusal:
        curation.add_item("classify_error", payload, source="api")
    assert "marmalade" not in str(refusal.value)
    assert refusal.value.status == 400


def test_a_payload_may_be_nested_a_hundred_deep(stage: CurationStage) -> None:
    with stage.curation() as curation:
        item_id = curation.add_item("classify_error", nested(99), source="api")
        assert curation.payloads([item_id]) == {item_id: nested(99)}


def test_items_and_label_sets_of_another_tenant_do_not_exist(
    stage: CurationStage, app_database: Database, new_tenant: Callable[[], uuid.UUID]
) -> None:
    item_id = stage.item()
    elsewhere = CurationStage(app_database, TenantId(new_tenant()))
    with elsewhere.curation() as curation:
        assert curation.payloads([item_id]) == {}
        assert curation.label_sets() == []
        for ask in (lambda: curation.posterior(item_id), lambda: curation.label_set("classify_error")):
            with pytest.raises(NotFound):
                ask()


def test_changing_labels_is_audited_without_naming_them(stage: CurationStage) -> None:
    [(details,)] = stage.query("SELECT details FROM audit_events WHERE action = 'label_set.changed'")
    assert details == {"mission_type": "classify_error", "count": 4}
