"""The shop: nobody spends a coin twice, and what is bought does what it says."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shifty_pipelines.contexts.arcade.errors import (
    EnoughHeld,
    NotEnoughCoins,
    NotOwned,
    OnlyYourself,
    UnknownShopItem,
)
from shifty_pipelines.kernel.tenant import UserId
from tests.contexts.arcade.stage import Stage, person


def buy(stage: Stage, labeler: UserId, item: str) -> int:
    """Buy; the coins that are left."""
    with stage.arcade(labeler) as arcade:
        purchase_id = arcade.buy(item, labeler_id=labeler)
        return arcade.purchase(purchase_id, labeler_id=labeler).coins_left


def test_a_purchase_takes_its_price_out_of_the_ledger(stage: Stage) -> None:
    labeler = person()
    assert buy(stage, labeler, "streak_freeze") == 50
    assert stage.query("SELECT kind, coins, reason FROM xp_ledger") == [("purchase", -50, "streak_freeze")]
    assert (stage.profile(labeler).coins, stage.profile(labeler).streak_freezes) == (50, 3)


def test_of_many_purchases_at_once_only_those_happen_that_there_are_coins_for(stage: Stage) -> None:
    """A hundred coins, sixteen threads, items at 50 and at 80: whatever wins, no coin is spent twice."""
    labeler = person()

    def try_to_buy(number: int) -> int:
        try:
            buy(stage, labeler, ("streak_freeze", "frame_copper")[number % 2])
        except (NotEnoughCoins, EnoughHeld):
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        bought_count = sum(pool.map(try_to_buy, range(16)))
    spent = stage.query("SELECT count(*), -sum(coins) FROM xp_ledger WHERE kind = 'purchase'")[0]
    assert spent[0] == bought_count == stage.query("SELECT count(*) FROM shop_purchases")[0][0]
    assert spent[1] in (80, 100)  # one frame, or two freezes
    assert stage.profile(labeler).coins == 100 - spent[1] >= 0


def test_what_is_too_dear_unknown_or_held_already_is_refused(stage: Stage) -> None:
    labeler = person()
    with pytest.raises(NotEnoughCoins, match="costs 400 coins and you have 100"):
        buy(stage, labeler, "frame_gold")
    with pytest.raises(UnknownShopItem):
        buy(stage, labeler, "xp_boost")
    with stage.arcade(person()) as arcade, pytest.raises(OnlyYourself):
        arcade.buy("streak_freeze", labeler_id=labeler)
    for _ in range(2):
        buy(stage, labeler, "streak_freeze")
    with pytest.raises(EnoughHeld, match="You have 2"):
        buy(stage, labeler, "streak_freeze")


def test_a_cosmetic_is_worn_by_those_who_bought_it(stage: Stage) -> None:
    labeler = person()
    with pytest.raises(NotOwned):
        stage.change(labeler, cosmetic="frame_copper")
    buy(stage, labeler, "frame_copper")
    assert stage.change(labeler, cosmetic="frame_copper").cosmetic == "frame_copper"
    assert stage.change(labeler, cosmetic="").cosmetic is None
    with pytest.raises(EnoughHeld):
        buy(stage, labeler, "frame_copper")


def test_a_bought_freeze_forgives_a_day_and_is_used_up(stage: Stage) -> None:
    labeler = person()
    stage.answered_mission({labeler: "timeout"})  # Monday, 2 March
    buy(stage, labeler, "streak_freeze")
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).streak_freezes) == (1, 3)
    stage.wait(days=4)  # Friday: three days were missed, two of them freely
    assert (stage.profile(labeler).streak_days, stage.profile(labeler).streak_freezes) == (1, 0)
    stage.answered_mission({labeler: "timeout"})
    assert stage.profile(labeler).streak_days == 2
