"""Completing missions and taking answers back: each assignment gives one label and is paid once."""

import uuid
from datetime import datetime

from shifty_pipelines.contexts.arcade.domain.missions import (
    TAKEN,
    UNDO_WINDOW,
    Answer,
    CompletedMission,
    MissionState,
    MissionType,
    MissionView,
    SlotState,
    Subject,
    UndoneAnswer,
)
from shifty_pipelines.contexts.arcade.domain.rewards import Reward, late_reward
from shifty_pipelines.contexts.arcade.errors import (
    AnsweredDifferently,
    MissionClosed,
    NotAssigned,
    StaleToken,
    UndoTooLate,
)
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Slot
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases, sealed_texts
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import UserId


class Answering(ArcadeUseCases):
    """What labelers say. Call `flows/complete_mission.py`, which also writes the label."""

    def complete(
        self,
        mission_id: uuid.UUID,
        answer: Answer,
        *,
        labeler_id: UserId,
        item_key_slot: int,
        fencing_token: int | None = None,
    ) -> CompletedMission:
        """Use up the caller's slot with an answer, and promise its reward.

        An answer that comes after its lease ended is still taken: in its slot while that is free, beside it (an extra,
        for the least its type pays) when somebody else has it. The same answer again changes nothing.

        Raises:
            NotAssigned: the caller never held this mission.
            StaleToken: the token is of an assignment that ended otherwise.
            AnsweredDifferently: the caller gave another answer before.
        """
        self._require_self(labeler_id, "complete missions")
        mission = self._locked(mission_id)
        slot = self._assignment(mission_id, labeler_id, fencing_token)
        if slot.state == SlotState.COMPLETED:
            if self._answer(slot) != answer:
                raise AnsweredDifferently(mission_id)
            promised, badges = self.repository.pending_entry(slot.id), self.game.badges_with(slot)
            return self._completed(mission, slot, promised, badges, is_new=False)
        self._take_place(mission, slot)
        promised, badges = self._write_answer(mission, slot, answer, item_key_slot)
        return self._completed(mission, slot, promised, badges, is_new=True)

    def subject(self, mission_id: uuid.UUID, *, labeler_id: UserId) -> Subject:
        """What the mission that a labeler answers is about.

        Raises:
            OnlyYourself: the caller is somebody else.
            NotFound: no such mission in this tenant.
        """
        self._require_self(labeler_id, "complete missions")
        mission = self.repository.mission(mission_id)
        if mission is None:
            raise NotFound("Mission")
        return Subject(id=mission.id, item_id=mission.item_id, type=MissionType(mission.type))

    def undo(self, mission_id: uuid.UUID, *, labeler_id: UserId, fencing_token: int) -> UndoneAnswer:
        """Take an answer back within ten seconds; the slot is leased to the caller anew, under a new token.

        Raises:
            StaleToken: the caller has no assignment with this token.
            UndoTooLate: ten seconds are over, or the mission is no longer open.
        """
        self._require_self(labeler_id, "take answers back")
        mission = self._locked(mission_id)
        own = self.repository.own_slots(mission_id, labeler_id)
        slot = next((slot for slot in own if slot.fencing_token == fencing_token), None)
        if slot is None or slot.completed_at is None:
            raise StaleToken(mission_id, fencing_token)
        if slot.state == SlotState.COMPLETED:
            self._require_undoable(mission, slot.completed_at)
            self._take_back(mission, slot)
        return UndoneAnswer(assignment_id=slot.id, mission=self._views([mission], labeler_id)[0])

    def note_uncertainty(self, mission_id: uuid.UUID, uncertainty: float) -> None:
        """Keep what curation says is left to learn about a mission's item, 0 to 1: it orders the queue."""
        self.repository.set_uncertainty(mission_id, uncertainty)

    def completed(
        self, *, labeler_id: UserId, limit: int, after: tuple[datetime, uuid.UUID] | None = None
    ) -> list[MissionView]:
        """What a labeler completed, newest first, from the one after (completed_at, mission id) `after` on."""
        self._require_self_or_lead(labeler_id, "list what others completed")
        slots = self.repository.completed_slots(labeler_id, after=after, limit=limit)
        missions = self.repository.missions([slot.mission_id for slot in slots])
        return [self._view(missions[slot.mission_id], slot) for slot in slots]

    def _assignment(self, mission_id: uuid.UUID, labeler_id: UserId, fencing_token: int | None) -> Slot:
        """The assignment an answer belongs to: that of the token, else the present one, else the last that ran out."""
        own = self.repository.own_slots(mission_id, labeler_id)
        present = next((slot for slot in own if slot.state in TAKEN), None)
        candidates = [present] if present else [slot for slot in own if slot.state == SlotState.EXPIRED]
        if not own or (fencing_token is None and not candidates):
            raise NotAssigned(mission_id)
        if fencing_token is None:
            return candidates[0]
        named = [slot for slot in candidates if slot.fencing_token == fencing_token]
        if not named:
            raise StaleToken(mission_id, fencing_token)
        return named[0]

    def _take_place(self, mission: Mission, slot: Slot) -> None:
        """Find out in which capacity an assignment that is not completed yet answers: in a slot, or as an extra."""
        if mission.state == MissionState.CANCELLED:
            raise MissionClosed(mission.id, mission.state)
        is_open = mission.state == MissionState.OPEN
        if slot.state == SlotState.EXPIRED and is_open and mission.open_slots > 0:
            slot.slot_number = self.repository.free_slot_number(mission)
            mission.open_slots -= 1
        elif slot.state == SlotState.EXPIRED or not is_open:
            slot.is_extra = True

    def _write_answer(
        self, mission: Mission, slot: Slot, answer: Answer, item_key_slot: int
    ) -> tuple[LedgerEntry | None, list[str]]:
        """What was promised for it, and the badges that came with it."""
        now = self.work.clock.now()
        texts = sealed_texts(answer)
        if texts is not None:
            sealed = self._seal_own(texts, UserId(slot.labeler_id), item_key_slot)
            slot.key_slot, slot.sealed = item_key_slot, sealed
        slot.state, slot.completed_at = SlotState.COMPLETED.value, now
        slot.result = {"label": answer.label, "confidence": answer.confidence, "given": dict(answer.given)}
        mission.updated_at = now
        promise = self._promise(mission, slot)
        promised = None if promise is None else self._entry(slot, "pending", promise.xp, promise.coins)
        if promised is not None:
            self.repository.add_entries([promised])
        self.repository.drop_draft(mission.id, slot.labeler_id)
        return promised, self.game.note_work(slot)

    def _promise(self, mission: Mission, slot: Slot) -> Reward | None:
        """What the answer may earn; an extra one the least, and one to a mission that expired unanswered nothing."""
        if not slot.is_extra:
            return Reward(mission.xp_reward, mission.coin_reward)
        is_over = mission.state == MissionState.EXPIRED
        return None if is_over else late_reward(MissionType(mission.type))

    def _require_undoable(self, mission: Mission, completed_at: datetime) -> None:
        if mission.state != MissionState.OPEN:
            raise UndoTooLate(mission.id, f"the mission is {mission.state}")
        if self.work.clock.now() > completed_at + UNDO_WINDOW:
            raise UndoTooLate(mission.id, f"it was given more than {UNDO_WINDOW.seconds} seconds ago")

    def _take_back(self, mission: Mission, slot: Slot) -> None:
        slot.state = SlotState.UNDONE.value
        # The old assignment must have left its slot before the new one enters it.
        self.repository.session.flush()
        promised = self.repository.pending_entry(slot.id)
        if promised is not None:
            reversal = self._entry(slot, "reversal", -promised.xp_pending, -promised.coins_pending)
            self.repository.add_entries([reversal])
        self.game.undo_work(slot)
        if slot.is_extra:
            return
        # A new assignment: one gives at most one label, and a late repetition of the old request must not count.
        self._lease(mission, UserId(slot.labeler_id), slot.slot_number, self._lease_duration(mission))

    def _completed(
        self, mission: Mission, slot: Slot, promised: LedgerEntry | None, badges: list[str], *, is_new: bool
    ) -> CompletedMission:
        completed_at = slot.completed_at or self.work.clock.now()
        return CompletedMission(
            mission=self._view(mission, slot),
            assignment_id=slot.id,
            is_new=is_new,
            is_extra=slot.is_extra,
            xp_pending=promised.xp_pending if promised else 0,
            coins_pending=promised.coins_pending if promised else 0,
            undo_until=completed_at + UNDO_WINDOW,
            new_badges=badges,
        )
