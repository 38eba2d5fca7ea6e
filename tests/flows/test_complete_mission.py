"""Completing: slot, label, promise and news stand or fall together."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import Answer
from shifty_pipelines.contexts.arcade.errors import AnsweredDifferently, NotAssigned
from shifty_pipelines.contexts.curation.errors import UnknownLabel
from shifty_pipelines.flows.complete_mission import complete_mission
from shifty_pipelines.kernel.errors import NotFound
from tests.contexts.arcade.stage import person
from tests.flows.stage import FlowStage

TRACES = """SELECT (SELECT count(*) FROM mission_slots WHERE state = 'completed'), (SELECT count(*) FROM label_events),
(SELECT count(*) FROM xp_ledger), (SELECT count(*) FROM outbox_events WHERE type = 'curation.label_recorded')"""


def test_an_answer_leaves_one_slot_one_label_one_promise_and_one_event(stage: FlowStage) -> None:
    stage.set_labels()
    mission, labeler = stage.question(), person()
    completed = stage.take_and_answer(mission.id, labeler, "timeout")
    assert stage.query(TRACES) == [(1, 1, 1, 1)]
    [label] = stage.query("SELECT id, item_id, labeler_id, label, source, mission_id, assignment_id FROM label_events")
    assert tuple(label)[1:] == (
        mission.item_id, labeler, "timeout", "mission", mission.id, completed.assignment_id,
    )  # fmt: skip
    [event] = stage.query("SELECT payload FROM outbox_events WHERE type = 'curation.label_recorded'")
    assert event.payload == {
        "label_event_id": str(label.id),
        "item_id": str(mission.item_id),
        "mission_id": str(mission.id),
        "assignment_id": str(completed.assignment_id),
    }


def test_the_same_answer_again_leaves_nothing_more(stage: FlowStage) -> None:
    stage.set_labels()
    mission, labeler = stage.question(), person()
    stage.assign(mission.id, labeler)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: stage.answer(mission.id, labeler, "timeout"), range(8)))
    assert sum(result.is_new for result in results) == 1
    assert stage.query(TRACES) == [(1, 1, 1, 1)]
    with pytest.raises(AnsweredDifferently):
        stage.answer(mission.id, labeler, "network")
    assert stage.query(TRACES) == [(1, 1, 1, 1)]


def test_what_fails_half_way_leaves_nothing_at_all(stage: FlowStage) -> None:
    class PowerCut(Exception):
        pass

    stage.set_labels()
    mission, labeler = stage.question(), person()
    stage.assign(mission.id, labeler)

    def complete_and_fail() -> None:
        with stage.services(labeler) as services:
            complete_mission(services, mission.id, labeler_id=labeler, answer=Answer(label="timeout"))
            raise PowerCut

    with pytest.raises(PowerCut):
        complete_and_fail()
    assert stage.query(TRACES) == [(0, 0, 0, 0)]
    assert stage.view(mission.id, labeler).status == "assigned"


def test_an_unknown_label_is_refused_by_name_and_the_slot_stays_held(stage: FlowStage) -> None:
    stage.set_labels()
    mission, labeler = stage.question(), person()
    stage.assign(mission.id, labeler)
    with pytest.raises(UnknownLabel, match="'Timeout' is not a label here; choose one of: assertion, network, timeout"):
        stage.answer(mission.id, labeler, "Timeout")
    assert stage.query(TRACES) == [(0, 0, 0, 0)]
    assert stage.view(mission.id, labeler).status == "assigned"


def test_an_extra_answer_is_a_label_with_a_promise_of_its_own(stage: FlowStage) -> None:
    stage.set_labels()
    mission, late = stage.question(slot_count=1), person()
    stage.assign(mission.id, late)
    stage.wait(minutes=20)
    stage.take_and_answer(mission.id, person(), "timeout")
    extra = stage.answer(mission.id, late, "network")
    assert (extra.is_extra, extra.xp_pending) == (True, 40)
    assert stage.query(TRACES) == [(2, 2, 2, 2)]


def test_only_missions_that_exist_and_are_held_are_completed(stage: FlowStage) -> None:
    stage.set_labels()
    mission = stage.question()
    with pytest.raises(NotFound):
        stage.answer(uuid.uuid4(), person(), "timeout")
    with pytest.raises(NotAssigned):
        stage.answer(mission.id, person(), "timeout")
