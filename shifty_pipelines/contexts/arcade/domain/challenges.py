"""Daily challenges: one a day, the same for everybody of a tenant, about right answers given on that day."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from shifty_pipelines.contexts.arcade.domain.rewards import Reward

#: Names the ids of challenges; a constant, so that every process gives a day's challenge the same id.
_NAMESPACE = uuid.UUID("8f0c6ae2-53c7-4d86-9f0f-6b1f5f3c7a10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """So many right answers in one day, and what they earn on top."""

    name: str
    title: str
    right_count: int
    bonus: Reward


#: They take turns by the day's number. The longest is an hour's work at the estimates that missions come with.
CHALLENGES: Sequence[Challenge] = (
    Challenge(name="warm_up", title="Three right answers today", right_count=3, bonus=Reward(15, 5)),
    Challenge(name="steady_hand", title="Five right answers today", right_count=5, bonus=Reward(25, 10)),
    Challenge(name="long_run", title="Ten right answers today", right_count=10, bonus=Reward(50, 20)),
)


def challenge_on(day: date) -> Challenge:
    """The challenge of a day."""
    return CHALLENGES[day.toordinal() % len(CHALLENGES)]


def challenge_id(tenant_id: uuid.UUID, day: date) -> uuid.UUID:
    """The id of a tenant's challenge of a day; its bonus is paid once per labeler and id."""
    return uuid.uuid5(_NAMESPACE, f"{tenant_id}/{day.isoformat()}")
