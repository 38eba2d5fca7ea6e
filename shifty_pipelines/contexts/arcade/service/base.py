"""What every story of the Arcade needs: the repository, locked missions, and views that show only one's own answers."""

import dataclasses
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shifty_pipelines.contexts.arcade.domain.leases import lease_of
from shifty_pipelines.contexts.arcade.domain.levels import level_of
from shifty_pipelines.contexts.arcade.domain.missions import (
    TAKEN,
    Answer,
    Difficulty,
    MissionState,
    MissionType,
    MissionView,
    SlotState,
    view_status,
)
from shifty_pipelines.contexts.arcade.domain.profiles import Visibility
from shifty_pipelines.contexts.arcade.domain.zones import DEFAULT_ZONE
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, OnlyYourself
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Profile, Slot
from shifty_pipelines.contexts.arcade.repository import ArcadeRepository
from shifty_pipelines.contexts.arcade.service.game import Game
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.keys import KeyErased, KeySlots
from shifty_pipelines.kernel.sealed import LayeredText, open_under, seal_under
from shifty_pipelines.kernel.tenant import UserId
from shifty_pipelines.kernel.work import UnitOfWork


class ArcadeUseCases:
    """Shared by the stories; holds no state but the unit of work's, and what was read in it."""

    def __init__(self, work: UnitOfWork, keys: KeySlots) -> None:
        self.work = work
        self.keys = keys
        self.repository = ArcadeRepository(work.scope)
        self.game = Game(work)
        self._p90_s: dict[str, float | None] = {}

    def view(self, mission_id: uuid.UUID, *, labeler_id: UserId) -> MissionView:
        """A mission as a labeler sees it; an answer is shown to whoever gave it and to nobody else.

        Raises:
            NotFound: no such mission in this tenant.
        """
        self._require_self_or_lead(labeler_id, "see a mission as others see it")
        mission = self.repository.mission(mission_id)
        if mission is None:
            raise NotFound("Mission")
        return self._views([mission], labeler_id)[0]

    def _locked(self, mission_id: uuid.UUID) -> Mission:
        mission = self.repository.lock_mission(mission_id)
        if mission is None:
            raise NotFound("Mission")
        return mission

    def _require_self(self, labeler_id: UserId, action: str) -> None:
        if labeler_id != self.work.actor.user_id:
            raise OnlyYourself(action)

    def _require_self_or_lead(self, labeler_id: UserId, action: str) -> None:
        if labeler_id != self.work.actor.user_id and not self.work.actor.is_lead():
            raise LeadsOnly(action)

    def _profile(self, user_id: UserId) -> Profile:
        """The labeler's profile, made at its first use."""
        found = self.repository.profile(user_id)
        if found is not None:
            return found
        now = self.work.clock.now()
        self.repository.add_profile(
            Profile(
                tenant_id=self.work.tenant_id,
                id=user_id,
                display_name=f"User-{str(user_id)[:8]}",
                key_slot=self.keys.allocate(self.work.tenant_id).start,
                created_at=now,
                updated_at=now,
                zone=DEFAULT_ZONE,
                visibility=Visibility.NAMED.value,
            )
        )
        made = self.repository.profile(user_id)
        if made is None:
            raise NotFound("Profile")
        return made

    def _locked_profile(self, user_id: UserId) -> Profile:
        locked = self.repository.lock_profile(user_id)
        if locked is None:
            self._profile(user_id)
            locked = self.repository.lock_profile(user_id)
        if locked is None:
            raise NotFound("Profile")
        return locked

    def _level(self, labeler_id: uuid.UUID) -> int:
        return level_of(self.repository.balance(labeler_id).xp)

    def _lease(self, mission: Mission, labeler_id: UserId, slot_number: int, duration: timedelta) -> Slot:
        """A new assignment of a locked mission's slot, under a fencing token that was never given before."""
        now = self.work.clock.now()
        slot = Slot(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            mission_id=mission.id,
            slot_number=slot_number,
            labeler_id=labeler_id,
            state=SlotState.LEASED.value,
            is_extra=False,
            fencing_token=mission.next_token,
            lease_until=now + duration,
            claimed_at=now,
        )
        mission.next_token += 1
        mission.updated_at = now
        self.repository.add(slot)
        return slot

    def _lease_duration(self, mission: Mission) -> timedelta:
        # Measured once an hour; five missions claimed at once ask once.
        if mission.type not in self._p90_s:
            self._p90_s[mission.type] = self.repository.p90_s(mission.type)
        return lease_of(self._p90_s[mission.type], mission.time_estimate_minutes)

    def _entry(self, slot: Slot, kind: str, xp_pending: int, coins_pending: int) -> LedgerEntry:
        """A movement of what is promised."""
        return LedgerEntry(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            labeler_id=slot.labeler_id,
            mission_id=slot.mission_id,
            assignment_id=slot.id,
            kind=kind,
            xp=0,
            coins=0,
            xp_pending=xp_pending,
            coins_pending=coins_pending,
            created_at=self.work.clock.now(),
        )

    def _views(self, missions: Sequence[Mission], labeler_id: UserId | None) -> list[MissionView]:
        if labeler_id is None:
            return [self._view(mission, None) for mission in missions]
        own = self.repository.taken_by(labeler_id, [mission.id for mission in missions])
        return [self._view(mission, own.get(mission.id)) for mission in missions]

    def _view(self, mission: Mission, own: Slot | None) -> MissionView:
        state = MissionState(mission.state)
        taken = own if own is not None and own.state in TAKEN else None
        status = view_status(
            state,
            SlotState(taken.state) if taken else None,
            has_open_slot=mission.open_slots > 0,
            is_overdue=mission.expires_at is not None and mission.expires_at <= self.work.clock.now(),
        )
        view = MissionView(
            id=mission.id,
            tenant_id=mission.tenant_id,
            item_id=mission.item_id,
            type=MissionType(mission.type),
            difficulty=Difficulty(mission.difficulty),
            status=status,
            state=state,
            title=mission.title,
            description=mission.description,
            instructions=mission.instructions,
            xp_reward=mission.xp_reward,
            coin_reward=mission.coin_reward,
            time_estimate_minutes=mission.time_estimate_minutes,
            required_skill_level=mission.required_skill_level,
            slot_count=mission.slot_count,
            priority=mission.priority,
            expires_at=mission.expires_at,
            created_at=mission.created_at,
            updated_at=mission.updated_at,
            settled_at=mission.settled_at,
            settled_label=mission.settled_label,
            batch_id=mission.batch_id,
            is_paused=mission.is_paused,
            decision=mission.decision,
            outcome=mission.outcome,
        )
        return view if taken is None else self._with_slot(view, taken)

    def _with_slot(self, view: MissionView, slot: Slot) -> MissionView:
        labeler_id = UserId(slot.labeler_id)
        return dataclasses.replace(
            view,
            assigned_to=labeler_id,
            assigned_at=slot.claimed_at,
            started_at=slot.started_at,
            lease_until=slot.lease_until,
            fencing_token=slot.fencing_token,
            completed_by=labeler_id if slot.completed_at else None,
            completed_at=slot.completed_at,
            answer=self._answer(slot) if labeler_id == self.work.actor.user_id else None,
        )

    def _answer(self, slot: Slot) -> Answer | None:
        if slot.result is None:
            return None
        text = None
        if slot.sealed is not None and slot.key_slot is not None:
            text = self._open_own(slot.sealed, UserId(slot.labeler_id), slot.key_slot)
        # Answers of before migration 0013 have no form, and their sealed text is the notes alone.
        has_form = "given" in slot.result
        said: dict[str, Any] = {} if text is None else json.loads(text) if has_form else {"notes": text}
        return Answer(
            label=slot.result["label"],
            confidence=slot.result["confidence"],
            given=slot.result["given"] if has_form else {},
            notes=said.pop("notes", None),
            texts=said,
        )

    def _seal_own(self, said: Mapping[str, Any], labeler_id: UserId, item_key_slot: int) -> bytes:
        """What a labeler wrote about an item: their key lies innermost, then the item's; erasing either erases it."""
        key_slots = (self._profile(labeler_id).key_slot, item_key_slot)
        return seal_under(self.keys, self.work.tenant_id, json.dumps(said), slots=key_slots).ciphertext

    def _open_own(self, sealed: bytes, labeler_id: UserId, item_key_slot: int) -> str | None:
        """What was sealed by `_seal_own`; None where one of its keys was erased."""
        profile = self.repository.profile(labeler_id)
        if profile is None:
            return None
        try:
            return open_under(self.keys, self.work.tenant_id, LayeredText((profile.key_slot, item_key_slot), sealed))
        except KeyErased:
            return None


def label_of(slot: Slot) -> str | None:
    """The label a completed slot gave."""
    return None if slot.result is None else slot.result["label"]


def sealed_texts(answer: Answer) -> Mapping[str, Any] | None:
    """The free texts of an answer, to be sealed together; None where it has none."""
    notes = {} if answer.notes is None else {"notes": answer.notes}
    return {**notes, **answer.texts} or None
