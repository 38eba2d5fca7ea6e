"""The ledger as its labeler sees it, and changing a payment afterwards: by a new row, with its reason and its cause."""

import uuid
from datetime import datetime

from shifty_pipelines.contexts.arcade.domain.missions import MissionType, SlotState
from shifty_pipelines.contexts.arcade.domain.profiles import CorrectionReason, LedgerLine
from shifty_pipelines.contexts.arcade.domain.rewards import Reward, settled_reward
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NothingToCorrect, NotSettleable
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Slot
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.tenant import UserId


class Correcting(ArcadeUseCases):
    """Payments that turned out wrong."""

    def ledger(
        self, *, labeler_id: UserId, limit: int, after: tuple[datetime, uuid.UUID] | None = None
    ) -> list[LedgerLine]:
        """A labeler's ledger, newest first: every point with the mission, cause and reason it comes from."""
        self._require_self_or_lead(labeler_id, "read the ledgers of others")
        return self.game.repository.lines(labeler_id, after=after, limit=limit)

    def correct(
        self,
        mission_id: uuid.UUID,
        *,
        labeler_id: UserId,
        is_right: bool,
        reason: CorrectionReason,
        cause_id: uuid.UUID,
    ) -> list[LedgerLine]:
        """Pay a settled answer as right, or take its payment back; the rows of its payment, oldest first.

        The same cause again changes nothing. It counts on the boards of the days of the settlement, not of today.

        Raises:
            LeadsOnly: the caller is neither owner nor admin nor the platform.
            NotSettleable: the labeler has no settled answer to this mission.
            NothingToCorrect: the answer is paid like that already.
        """
        if self.work.actor.user_id is not None and not self.work.actor.is_lead():
            raise LeadsOnly("correct payments")
        mission = self._locked(mission_id)
        slot = self._settled_slot(mission, labeler_id)
        self.game.lock([labeler_id])
        rows = list(self.game.repository.paid(slot.id))
        if not rows:
            raise NotSettleable(mission_id, "this answer was not paid for yet")
        if all(row.cause_id != cause_id for row in rows):
            rows.append(self._correction(mission, rows, is_right=is_right, cause=(reason, cause_id)))
        return [LedgerLine(**{name: getattr(row, name) for name in LedgerLine.__dataclass_fields__}) for row in rows]

    def _settled_slot(self, mission: Mission, labeler_id: UserId) -> Slot:
        own = self.repository.own_slots(mission.id, labeler_id)
        slot = next((slot for slot in own if slot.state == SlotState.COMPLETED), None)
        if slot is None:
            raise NotSettleable(mission.id, f"user {labeler_id} has given no answer to it")
        return slot

    def _correction(
        self, mission: Mission, rows: list[LedgerEntry], *, is_right: bool, cause: tuple[CorrectionReason, uuid.UUID]
    ) -> LedgerEntry:
        reason, cause_id = cause
        paid_xp = sum(row.xp for row in rows)
        # An answer that was right is always paid, for no type's range begins at nothing.
        if (paid_xp > 0) == is_right:
            raise NothingToCorrect(mission.id, is_right=is_right)
        # What was promised then; a mission that was called off, or a decision, was paid without a judgement.
        offered = Reward(-rows[0].xp_pending, -rows[0].coins_pending)
        wanted = settled_reward(MissionType(mission.type), offered, is_right=is_right)
        is_judged = any(row.settled_count for row in rows)
        entry = self.game.entry(
            rows[0].labeler_id,
            "correction",
            mission_id=mission.id,
            assignment_id=rows[0].assignment_id,
            xp=wanted.xp - paid_xp,
            coins=wanted.coins - sum(row.coins for row in rows),
            right_count=int(is_right) - sum(row.right_count for row in rows) if is_judged else 0,
            scored_on=rows[0].scored_on,
            reason=reason.value,
            cause_id=cause_id,
        )
        self.game.book([entry])
        self.game.reconsider(entry.labeler_id)
        self.work.audit.record("payment.corrected", "mission", mission.id, reason=reason.value, xp=entry.xp)
        return entry
