"""Aliases: a name that points at the version which serves, and how it got there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shifty_pipelines.contexts.registry.domain.gate import Verdict

#: The alias that predictions follow.
SERVING = "serving"


class AliasAction(StrEnum):
    """Why an alias moved."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One move of an alias, in the order of `number`."""

    number: int
    action: AliasAction
    from_version: int | None
    to_version: int
    actor_id: object
    reason: str | None
    at: datetime


def rollback_target(moves: Sequence[AliasMove]) -> int | None:
    """The version that served before the present one was promoted; None where there was none.

    A rollback undoes one promotion, so two in a row undo two.
    """
    served: list[int] = []
    for move in moves:
        if move.action is AliasAction.PROMOTE:
            served.append(move.to_version)
        else:
            served.pop()
    return served[-2] if len(served) > 1 else None


def promotion_obstacle(
    verdict: Verdict | None, *, is_of_today: bool, reason: str | None, is_person: bool
) -> str | None:
    """Why a version of this verdict may not be promoted; None where it may.

    A verdict is of today while the version it was given against still serves; an older one says nothing about the
    present incumbent, and counts as inconclusive.
    """
    if verdict is Verdict.PASSED and is_of_today:
        return None
    if verdict is None:
        return "it has no completed evaluation; evaluate it first"
    if verdict is Verdict.REFUSED:
        return "its evaluation refused it; train a better version"
    if verdict is Verdict.PASSED and not (is_person and (reason or "").strip()):
        return "its evaluation compared it with another version than serves now; evaluate it again, or give a reason"
    if not is_person or not (reason or "").strip():
        return "its evaluation is inconclusive; a person may promote it by giving a reason"
    return None
