"""Spending coins: what there is to buy, and buying it once, within what one has."""

import uuid
from collections.abc import Sequence

from shifty_pipelines.contexts.arcade.domain.profiles import Purchased
from shifty_pipelines.contexts.arcade.domain.rewards import STARTING_COINS
from shifty_pipelines.contexts.arcade.domain.shop import SHOP_ITEMS, ItemKind, ShopItem
from shifty_pipelines.contexts.arcade.errors import EnoughHeld, NotEnoughCoins, UnknownShopItem
from shifty_pipelines.contexts.arcade.models import Profile, Purchase
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import UserId


class Shopping(ArcadeUseCases):
    """The shop."""

    def shop_items(self) -> Sequence[ShopItem]:
        """What there is to buy."""
        return list(SHOP_ITEMS.values())

    def buy(self, item_id: str, *, labeler_id: UserId) -> uuid.UUID:
        """Buy one item; returns the purchase's id.

        Purchases of one labeler go one after the other, so that no two spend the same coins.

        Raises:
            UnknownShopItem: there is no such item.
            EnoughHeld: they have as many as anybody may hold.
            NotEnoughCoins: it costs more than they have.
        """
        self._require_self(labeler_id, "buy")
        item = SHOP_ITEMS.get(item_id)
        if item is None:
            raise UnknownShopItem(item_id)
        profile = self._locked_profile(labeler_id)
        if self._held_count(profile, item) >= item.most_held:
            raise EnoughHeld(item.id, item.most_held)
        coins = self._coins(labeler_id)
        if coins < item.coins:
            raise NotEnoughCoins(item.id, price_coins=item.coins, coins=coins)
        return self._sell(profile, item)

    def purchase(self, purchase_id: uuid.UUID, *, labeler_id: UserId) -> Purchased:
        """A purchase of one's own.

        Raises:
            NotFound: there is none by this id.
        """
        found = self.game.repository.purchase(purchase_id)
        if found is None or found.labeler_id != labeler_id:
            raise NotFound("Purchase")
        return Purchased(
            id=found.id,
            item=SHOP_ITEMS[found.item],
            coins=found.coins,
            coins_left=self._coins(labeler_id),
            bought_at=found.occurred_at,
        )

    def _coins(self, labeler_id: uuid.UUID) -> int:
        return STARTING_COINS + self.game.repository.tally(labeler_id).coins

    def _held_count(self, profile: Profile, item: ShopItem) -> int:
        if item.kind is ItemKind.STREAK_FREEZE:
            return self.game.state_now(profile).bought_count
        return self.game.repository.bought_counts(profile.id).get(item.id, 0)

    def _sell(self, profile: Profile, item: ShopItem) -> uuid.UUID:
        moment = self.game.clock_of(profile)
        purchase = Purchase(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            labeler_id=profile.id,
            item=item.id,
            coins=item.coins,
            occurred_at=moment.at,
            local_date=moment.local_date,
            zone=moment.zone,
            offset_s=moment.offset_s,
        )
        if item.kind is ItemKind.STREAK_FREEZE:
            # Before the row: a streak that is worked out from its events would count this one twice.
            self.game.add_freeze(profile, moment)
        self.game.repository.add(purchase)
        payment = self.game.entry(profile.id, "purchase", coins=-item.coins, reason=item.id, cause_id=purchase.id)
        self.game.book([payment])
        return purchase.id
