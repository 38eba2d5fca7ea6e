"""Settling missions: decided once, paid once, and asked again where labelers disagree."""

import uuid
from collections.abc import Sequence
from fractions import Fraction

from shifty_pipelines.contexts.arcade.domain.boards import UNRANKED_TYPES
from shifty_pipelines.contexts.arcade.domain.missions import MAX_SLOTS, MissionState, MissionType, MissionView
from shifty_pipelines.contexts.arcade.domain.rewards import Reward, settled_reward
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotSettleable
from shifty_pipelines.contexts.arcade.events import MissionDisputed, MissionSettled
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Slot
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases, label_of


class Settling(ArcadeUseCases):
    """Called by `flows/settle_mission.py`, which asks curation what is right."""

    def lock_if_answered(self, mission_id: uuid.UUID) -> MissionView | None:
        """The mission, locked, if it is open and all its slots are used; else None, and there is nothing to settle."""
        mission = self.repository.lock_mission(mission_id)
        if mission is None or not self._may_be_answered(mission):
            return None
        if len(self.repository.answers(mission.id)) != mission.slot_count:
            return None
        return self._view(mission, None)

    def settle(self, mission_id: uuid.UUID, label: str) -> MissionView:
        """Decide the mission and move every promised reward to the paid ones; repeating it changes nothing.

        Raises:
            NotSettleable: slots are still open, it is closed, or it was settled with another label.
        """
        mission = self._locked(mission_id)
        if mission.state == MissionState.SETTLED and mission.settled_label == label:
            return self._views([mission], self.work.actor.user_id)[0]
        answers = self.repository.answers(mission_id)
        self._require_settleable(mission, answers)
        extras = self.repository.unpaid_extras(mission_id)
        agreement = Fraction(sum(1 for slot in answers if label_of(slot) == label), len(answers) or 1)
        payments = self._payments(mission, answers, label, agreement)
        # One that came late is offered the least, however hard the item was.
        payments += self._payments(mission, extras, label, Fraction(1))
        self.game.book(payments)
        now = self.work.clock.now()
        mission.state, mission.settled_label = MissionState.SETTLED.value, label
        mission.settled_at = mission.updated_at = now
        self.game.celebrate(payments)
        self.work.outbox.publish(
            MissionSettled(
                mission_id=mission_id,
                item_id=mission.item_id,
                mission_type=mission.type,
                label=label,
                answer_count=len(answers),
                right_count=sum(1 for slot in answers if label_of(slot) == label),
            )
        )
        return self._views([mission], self.work.actor.user_id)[0]

    def pay_late_answers(self, mission_id: uuid.UUID) -> None:
        """Settle answers that came after their mission had been settled; repeating it changes nothing."""
        mission = self.repository.lock_mission(mission_id)
        if mission is None or mission.state != MissionState.SETTLED or mission.settled_label is None:
            return
        extras = self.repository.unpaid_extras(mission_id)
        payments = self._payments(mission, extras, mission.settled_label, Fraction(1))
        self.game.book(payments)
        self.game.celebrate(payments)

    def ask_again(self, mission_id: uuid.UUID) -> None:
        """Add one slot to a mission whose labelers disagree; with seven used, or its time over, a person decides."""
        mission = self._locked(mission_id)
        now = self.work.clock.now()
        is_overdue = mission.expires_at is not None and mission.expires_at <= now
        mission.updated_at = now
        if mission.slot_count < MAX_SLOTS and not is_overdue:
            mission.slot_count += 1
            mission.open_slots += 1
            return
        mission.state = MissionState.DISPUTED.value
        self.work.outbox.publish(
            MissionDisputed(
                mission_id=mission_id,
                item_id=mission.item_id,
                mission_type=mission.type,
                answer_count=len(self.repository.answers(mission_id)),
            )
        )

    def lock_for_adjudication(self, mission_id: uuid.UUID, label: str) -> MissionView:
        """The mission, locked, if an owner or admin may decide it with this label (or did so before).

        Raises:
            LeadsOnly: the caller is neither owner nor admin.
            NotSettleable: it is not disputed.
        """
        if not self.work.actor.is_lead():
            raise LeadsOnly("adjudicate missions")
        mission = self._locked(mission_id)
        is_same = mission.state == MissionState.SETTLED and mission.settled_label == label
        if mission.state != MissionState.DISPUTED and not is_same:
            raise NotSettleable(mission_id, f"it is {mission.state}, and only disputed missions are adjudicated")
        return self._view(mission, None)

    def _may_be_answered(self, mission: Mission) -> bool:
        return mission.state == MissionState.OPEN and mission.open_slots == 0

    def _require_settleable(self, mission: Mission, answers: Sequence[Slot]) -> None:
        is_answered = self._may_be_answered(mission) and len(answers) == mission.slot_count
        if mission.state == MissionState.OPEN and not is_answered:
            raise NotSettleable(mission.id, "some of its slots are still to be answered")
        if mission.state == MissionState.SETTLED:
            raise NotSettleable(mission.id, f"it is settled as '{mission.settled_label}', which stands")
        is_reported = mission.state == MissionState.DECIDED and mission.outcome is not None
        if mission.state not in (MissionState.OPEN, MissionState.DISPUTED) and not is_reported:
            raise NotSettleable(mission.id, f"it is {mission.state}")

    def _payments(self, mission: Mission, slots: Sequence[Slot], label: str, agreement: Fraction) -> list[LedgerEntry]:
        promised = self.repository.pending_entries([slot.id for slot in slots]) if slots else {}
        return [self._payment(mission, slot, promised.get(slot.id), label, agreement) for slot in slots]

    def _payment(
        self, mission: Mission, slot: Slot, promised: LedgerEntry | None, label: str, agreement: Fraction
    ) -> LedgerEntry:
        """The promise leaves the pending account; what was earned enters the settled one."""
        offered = Reward(promised.xp_pending, promised.coins_pending) if promised else Reward(0, 0)
        mission_type = MissionType(mission.type)
        is_ranked = mission_type not in UNRANKED_TYPES
        # A decision about a deployment has no right answer: all who gave one are paid the same.
        is_right = label_of(slot) == label if is_ranked else True
        bonus_share = agreement if is_ranked else Fraction(1)
        paid = settled_reward(mission_type, offered, is_right=is_right and promised is not None, agreement=bonus_share)
        return self.game.entry(
            slot.labeler_id,
            "settled",
            mission_id=mission.id,
            assignment_id=slot.id,
            xp=paid.xp,
            coins=paid.coins,
            xp_pending=-promised.xp_pending if promised else 0,
            coins_pending=-promised.coins_pending if promised else 0,
            settled_count=int(is_ranked),
            right_count=int(is_ranked and is_right),
            scored_on=self.game.today() if is_ranked else None,
        )
