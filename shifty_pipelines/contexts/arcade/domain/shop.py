"""What coins buy: days forgiven, and things to be seen with. Nothing that moves a rank, and nothing for money."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ItemKind(StrEnum):
    """What an item does."""

    STREAK_FREEZE = "streak_freeze"
    COSMETIC = "custom_avatar"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopItem:
    """One item; a labeler may hold at most `most_held` of it."""

    id: str
    name: str
    description: str
    kind: ItemKind
    coins: int
    most_held: int


#: By id. Prices: a freeze is a good day's coins, a cosmetic a good week's.
SHOP_ITEMS: Mapping[str, ShopItem] = {
    item.id: item
    for item in (
        ShopItem(
            id="streak_freeze",
            name="Streak freeze",
            description="Forgives one missed day from now on, after the two free ones of its month",
            kind=ItemKind.STREAK_FREEZE,
            coins=50,
            most_held=2,
        ),
        ShopItem(
            id="frame_copper",
            name="Copper frame",
            description="A copper frame around your name",
            kind=ItemKind.COSMETIC,
            coins=80,
            most_held=1,
        ),
        ShopItem(
            id="frame_gold",
            name="Gold frame",
            description="A gold frame around your name",
            kind=ItemKind.COSMETIC,
            coins=400,
            most_held=1,
        ),
    )
}
