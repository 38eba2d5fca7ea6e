"""Templates and batches: made together, held back, given out again, and called off with what was answered paid."""

import uuid
from typing import Any

import pytest

from shifty_pipelines.contexts.arcade.domain.batches import BatchView, NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.errors import (
    BatchClosed,
    MissionClosed,
    NotOffered,
    RewardOutOfRange,
    TemplateExists,
)
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import Stage, person


def template(stage: Stage, **wanted: Any) -> uuid.UUID:
    new = {"name": uuid.uuid4().hex, "type": MissionType.CLASSIFY_ERROR, "title": "Why?", **wanted}
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        return arcade.add_template(NewTemplate(**new)).id


def batch(stage: Stage, count: int = 3, **wanted: Any) -> uuid.UUID:
    template_id = template(stage, **wanted)
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        item_ids = [uuid.uuid4() for _ in range(count)]
        return arcade.create_batch(template_id, item_ids, name="night", expires_at=None)


def pause(stage: Stage, batch_id: uuid.UUID, *, is_paused: bool) -> BatchView:
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        return arcade.pause_batch(batch_id, is_paused=is_paused)


def cancel(stage: Stage, batch_id: uuid.UUID) -> BatchView:
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        return arcade.cancel_batch(batch_id)


def test_a_batch_has_a_mission_per_item_after_its_template(stage: Stage) -> None:
    batch_id = batch(stage, slot_count=2, xp_reward=55, priority=4)
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        view = arcade.batch(batch_id)
        assert [listed.id for listed in arcade.batches(after=None, limit=5)] == [batch_id]
    assert (view.state, view.mission_count, view.counts) == ("open", 3, {"open": 3})
    made = stage.query("SELECT slot_count, xp_reward, priority, title, batch_id FROM missions")
    assert made == [(2, 55, 4, "Why?", batch_id)] * 3


def test_a_template_is_checked_when_it_is_made(stage: Stage) -> None:
    template(stage, name="triage")
    with pytest.raises(TemplateExists, match="'triage'"):
        template(stage, name="triage")
    with pytest.raises(RewardOutOfRange):
        template(stage, xp_reward=1000)
    with pytest.raises(InvalidValue, match="bring their own labels"):
        template(stage, type=MissionType.RATE_TEST_QUALITY, labels=("a", "b"))
    with pytest.raises(InvalidValue, match="slotCount is 1; expected a quorum of 2"):
        template(stage, type=MissionType.APPROVE_DEPLOYMENT, slot_count=1)
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(NotFound):
        arcade.create_batch(uuid.uuid4(), [uuid.uuid4()], name="x", expires_at=None)


def test_a_paused_batch_gives_nothing_out_and_whoever_holds_a_mission_goes_on(stage: Stage) -> None:
    batch_id, early, late = batch(stage), person(), person()
    [held] = stage.next(early)
    for _ in range(2):
        assert pause(stage, batch_id, is_paused=True).state == "paused"
    assert stage.next(late) == []
    assert stage.available(late) == []
    with pytest.raises(NotOffered, match="it is paused"):
        stage.assign(held.id, late)
    assert stage.complete(held.id, early).is_extra is False
    assert pause(stage, batch_id, is_paused=False).state == "open"
    assert len(stage.next(late)) == 1


def test_a_cancelled_batch_pays_every_answer_as_promised_and_takes_no_more(stage: Stage) -> None:
    batch_id, first, second, holder = batch(stage, count=2, slot_count=3, xp_reward=55), person(), person(), person()
    one, other = (row.id for row in stage.query("SELECT id FROM missions"))
    for mission_id, labeler, label in ((one, first, "timeout"), (one, second, "network"), (other, first, "timeout")):
        stage.assign(mission_id, labeler)
        stage.complete(mission_id, labeler, label)
    stage.assign(one, holder)
    for _ in range(2):
        view = cancel(stage, batch_id)
        assert (view.state, view.counts) == ("cancelled", {"cancelled": 2})
    for labeler, xp in ((first, 110), (second, 55), (holder, 0)):
        assert (stage.profile(labeler).xp, stage.profile(labeler).xp_pending) == (xp, 0)
    assert stage.next(person()) == []
    with pytest.raises(MissionClosed):
        stage.complete(one, holder)
    with pytest.raises(BatchClosed):
        pause(stage, batch_id, is_paused=False)
    events = stage.query("SELECT payload FROM outbox_events WHERE type = 'arcade.mission_cancelled'")
    assert sorted(row.payload["answer_count"] for row in events) == [1, 2]


def test_what_is_settled_before_stays_settled_and_is_paid_once(stage: Stage) -> None:
    batch_id, labeler = batch(stage, count=2, slot_count=1), person()
    settled, left = (row.id for row in stage.query("SELECT id FROM missions"))
    stage.assign(settled, labeler)
    stage.complete(settled, labeler)
    stage.settle(settled)
    assert cancel(stage, batch_id).counts == {"settled": 1, "cancelled": 1}
    assert stage.profile(labeler).xp == 50
    assert stage.query("SELECT state FROM missions WHERE id = :id", id=left) == [("cancelled",)]


def test_one_mission_is_called_off_alone(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    stage.assign(mission_id, labeler)
    stage.complete(mission_id, labeler)
    for _ in range(2):
        with stage.arcade(stage.lead, Role.OWNER) as arcade:
            arcade.cancel(mission_id)
    assert stage.profile(labeler).xp == 50
    settled = stage.answered_mission({labeler: "timeout"})
    stage.settle(settled)
    with stage.arcade(stage.lead, Role.OWNER) as arcade, pytest.raises(MissionClosed, match="settled"):
        arcade.cancel(settled)


def test_an_answer_taken_back_is_not_paid_by_a_cancellation(stage: Stage) -> None:
    mission_id, labeler = stage.mission(), person()
    token = stage.assign(mission_id, labeler).fencing_token
    assert token is not None
    stage.complete(mission_id, labeler)
    stage.undo(mission_id, labeler, token)
    with stage.arcade(stage.lead, Role.OWNER) as arcade:
        arcade.cancel(mission_id)
    assert (stage.profile(labeler).xp, stage.profile(labeler).xp_pending) == (0, 0)
