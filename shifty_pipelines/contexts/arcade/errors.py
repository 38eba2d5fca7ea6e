"""What the Arcade refuses, and why."""

import uuid
from datetime import datetime

from shifty_pipelines.kernel.errors import Conflict, Forbidden, NotFound, ShiftyError


class RewardOutOfRange(ShiftyError):
    """The XP a mission would pay is outside its type's range."""

    status = 400
    code = "arcade.reward_out_of_range"

    def __init__(self, mission_type: str, xp: int, *, lowest: int, highest: int) -> None:
        super().__init__(
            f"xpReward is {xp}; a {mission_type} mission pays {lowest} to {highest} XP. "
            "Choose a reward in that range, or leave it out for the middle.",
            field="xpReward",
            lowest=lowest,
            highest=highest,
        )


class NotOffered(Conflict):
    """The mission is not among those available to this labeler."""

    code = "arcade.not_offered"

    def __init__(self, mission_id: uuid.UUID, reason: str) -> None:
        super().__init__(
            f"Mission {mission_id} is not available: {reason}. Take one that .../missions/available lists, "
            "or ask .../missions/next."
        )


class NotAssigned(Conflict):
    """The labeler holds no slot of this mission."""

    code = "arcade.not_assigned"

    def __init__(self, mission_id: uuid.UUID) -> None:
        super().__init__(f"Mission {mission_id} is not assigned to you; assign it to yourself first.")


class StaleToken(Conflict):
    """The fencing token belongs to an assignment that has ended."""

    code = "arcade.stale_token"

    def __init__(self, mission_id: uuid.UUID, fencing_token: int) -> None:
        super().__init__(
            f"Fencing token {fencing_token} is not your present assignment of mission {mission_id}; "
            "read the mission again for the token that holds now."
        )


class AnsweredDifferently(Conflict):
    """The labeler completed this mission already, with another answer."""

    code = "arcade.already_completed"

    def __init__(self, mission_id: uuid.UUID) -> None:
        super().__init__(
            f"You completed mission {mission_id} already, with a different answer; the first one counts. "
            "Within 10 seconds of completing, undo takes it back."
        )


class MissionClosed(Conflict):
    """The mission takes no more answers."""

    code = "arcade.mission_closed"

    def __init__(self, mission_id: uuid.UUID, state: str) -> None:
        super().__init__(f"Mission {mission_id} is {state} and takes no more answers.")


class UndoTooLate(Conflict):
    """The answer can no longer be taken back."""

    code = "arcade.undo_too_late"

    def __init__(self, mission_id: uuid.UUID, reason: str) -> None:
        super().__init__(f"The answer to mission {mission_id} stands: {reason}.")


class NotSettleable(Conflict):
    """The mission is in no state in which it can be settled with this label."""

    code = "arcade.not_settleable"

    def __init__(self, mission_id: uuid.UUID, reason: str) -> None:
        super().__init__(f"Mission {mission_id} cannot be settled: {reason}.")


class MissionsOpen(Conflict):
    """Something about a mission type cannot change while missions of that type wait for answers."""

    code = "arcade.missions_open"

    def __init__(self, mission_type: str, open_count: int) -> None:
        super().__init__(
            f"{open_count} {mission_type} missions are open or disputed and were made with the present labels; "
            "let them be settled first, then change the labels.",
            openCount=open_count,
        )


class OnlyYourself(Forbidden):
    """An answer is its labeler's own; nobody gives it in another's name."""

    code = "arcade.only_yourself"

    def __init__(self, action: str) -> None:
        super().__init__(f"You can {action} in your own name only.")


class LeadsOnly(Forbidden):
    """Owner and admin only."""

    code = "arcade.leads_only"

    def __init__(self, action: str) -> None:
        super().__init__(f"Only an owner or admin may {action}.")


class InvalidPayload(ShiftyError):
    """A payload is not what missions of its type ask about; `told` is what was said of it."""

    status = 400
    code = "arcade.invalid_payload"

    def __init__(self, mission_type: str, field: str, problem: str, *, where: str = "payload") -> None:
        named = ".".join(filter(None, (where, field)))
        super().__init__(
            f"{named} of a {mission_type} mission: {problem}. "
            "docs/contexts/arcade.md says what each type's payload holds.",
            field=named,
        )
        self.told = mission_type, field, problem


class InvalidAnswer(ShiftyError):
    """An answer has not the shape, or not the values, that its mission asks for."""

    status = 400
    code = "arcade.invalid_answer"

    def __init__(self, form: str, field: str, problem: str) -> None:
        super().__init__(
            f"result{'.' if field else ''}{field}: {problem}. This mission is answered in the form '{form}'.",
            field=f"result.{field}".rstrip("."),
            form=form,
        )


class ItemErased(Conflict):
    """The item that a mission asks about was erased."""

    code = "arcade.item_erased"

    def __init__(self, mission_id: uuid.UUID) -> None:
        super().__init__(f"What mission {mission_id} asks about was erased; release it and take another.")


class LeaseUsedUp(Conflict):
    """A lease was extended as far as it goes."""

    code = "arcade.lease_used_up"

    def __init__(self, mission_id: uuid.UUID) -> None:
        super().__init__(
            f"Mission {mission_id} was held for ten leases, which is the most. Complete it, which still counts, "
            "or release it; your draft is kept until then."
        )


class DraftTooLarge(ShiftyError):
    """A draft is larger than a draft may be."""

    status = 413
    code = "arcade.draft_too_large"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The draft is {size_bytes} bytes as JSON; a draft may have {limit_bytes}. Save what was typed, "
            "not what was shown.",
            sizeBytes=size_bytes,
            limitBytes=limit_bytes,
        )


class NotAnApprover(Forbidden):
    """Deployments are decided by who has the duty."""

    code = "arcade.not_an_approver"

    def __init__(self) -> None:
        super().__init__(
            "Deployments are decided by members with the grant deployment_approver, each for themselves; "
            "an owner or admin gives it at PUT /api/v1/users/{userId}."
        )


class TemplateExists(Conflict):
    """The tenant has a template of that name."""

    code = "arcade.template_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a mission template named '{name}' already; choose another name, or use that one.")


class BatchClosed(Conflict):
    """A batch was cancelled."""

    code = "arcade.batch_closed"

    def __init__(self, batch_id: uuid.UUID, state: str) -> None:
        super().__init__(f"Mission batch {batch_id} is {state}; make a new one of the same template.")


class ProfilePrivate(Forbidden):
    """Somebody shows themselves under a pseudonym or not at all; their profile would tell who is who."""

    code = "arcade.profile_private"

    def __init__(self) -> None:
        super().__init__("This labeler does not show their profile; owners and admins see it.")


class ZoneChangedLately(Conflict):
    """The time zone was changed a short while ago."""

    code = "arcade.zone_changed_lately"

    def __init__(self, again_at: datetime) -> None:
        super().__init__(
            f"The time zone can be changed once in 7 days; the next time from {again_at.isoformat()} on.",
            againAt=again_at.isoformat(),
        )


class NotOwned(Conflict):
    """A cosmetic that was not bought cannot be worn."""

    code = "arcade.not_owned"

    def __init__(self, item: str) -> None:
        super().__init__(f"You do not have '{item}'; buy it at .../shop/purchases first.")


class UnknownShopItem(NotFound):
    """The shop has no such item."""

    code = "arcade.unknown_item"

    def __init__(self, item: str) -> None:
        super().__init__(f"Shop item '{item[:50]}'")


class EnoughHeld(Conflict):
    """Nobody may hold more of an item."""

    code = "arcade.enough_held"

    def __init__(self, item: str, most_held: int) -> None:
        super().__init__(f"You have {most_held} of '{item}', and nobody may hold more.", mostHeld=most_held)


class NotEnoughCoins(Conflict):
    """The item costs more than the labeler has."""

    code = "arcade.not_enough_coins"

    def __init__(self, item: str, *, price_coins: int, coins: int) -> None:
        super().__init__(
            f"'{item}' costs {price_coins} coins and you have {coins}; settled missions and daily challenges pay more.",
            priceCoins=price_coins,
            coins=coins,
        )


class NothingToCorrect(Conflict):
    """The answer is paid as the correction wants it."""

    code = "arcade.nothing_to_correct"

    def __init__(self, mission_id: uuid.UUID, *, is_right: bool) -> None:
        paid = "paid as right" if is_right else "not paid"
        super().__init__(f"The answer to mission {mission_id} is {paid} already.")


class LeaderboardOff(Conflict):
    """The tenant has no leaderboards."""

    code = "arcade.leaderboard_off"

    def __init__(self) -> None:
        super().__init__("This tenant has turned leaderboards off; an owner or admin may turn them on.")
