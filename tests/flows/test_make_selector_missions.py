"""Missions about selectors, from pages to gold: truths follow from the page, and stay out of every answer."""

import pytest

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.errors import LabelSetDiffers
from shifty_pipelines.flows.make_selector_missions import MadeSelectors, make_selector_missions
from shifty_pipelines.flows.read_mission import with_payloads
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.tenant import Role
from tests.contexts.arcade.stage import person
from tests.contexts.curation.test_selectors import PAGE
from tests.flows.stage import FlowStage

GOLD = "SELECT g.label, i.mission_type FROM gold_items g JOIN items i ON i.id = g.item_id ORDER BY 1"


def make(stage: FlowStage, count: int = 10, gold_share: float = 0.4, **wanted: int) -> MadeSelectors:
    with stage.services(None, Role.OWNER) as services:
        return make_selector_missions(
            services, {"/": PAGE}, count=count, gold_share=gold_share, seed=wanted.get("seed", 7)
        )


def test_missions_are_made_with_gold_of_both_truths(stage: FlowStage) -> None:
    made = make(stage)
    assert (made.mission_count, made.valid_count, made.gold_count, made.page_count) == (10, 5, 4, 1)
    assert stage.query(GOLD) == [("invalid", "validate_selector")] * 2 + [("valid", "validate_selector")] * 2
    assert stage.query("SELECT DISTINCT type, state FROM missions") == [("validate_selector", "open")]


def test_what_a_labeler_is_shown_does_not_tell_the_truth(stage: FlowStage) -> None:
    make(stage)
    labeler = person()
    with stage.services(labeler) as services:
        views = with_payloads(services, services.arcade.next(labeler_id=labeler, count=5))
    assert len(views) == 5
    for view in views:
        assert view.payload is not None
        assert set(view.payload) == {"html", "page", "selector", "target"}
        assert view.settled_label is None


def test_it_can_be_repeated_and_uses_one_template(stage: FlowStage) -> None:
    assert make(stage).batch_id != make(stage, seed=8).batch_id
    assert stage.query("SELECT count(*) FROM mission_templates") == [(1,)]


def test_a_label_set_of_other_words_is_not_overwritten(stage: FlowStage) -> None:
    with stage.services(stage.lead, Role.OWNER) as services:
        set_labels(services, MissionType.VALIDATE_SELECTOR, ["good", "broken"])
    with pytest.raises(LabelSetDiffers):
        make(stage)
    assert stage.query("SELECT count(*) FROM items") == [(0,)]


@pytest.mark.parametrize(("count", "gold_share", "said"), [(1, 0.2, "count is 1"), (10, 1.2, "gold is 1.2")])
def test_counts_and_shares_out_of_range_are_refused(stage: FlowStage, count: int, gold_share: float, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        make(stage, count=count, gold_share=gold_share)
