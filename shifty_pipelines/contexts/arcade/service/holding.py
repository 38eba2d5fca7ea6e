"""While a labeler holds a mission: more time, a draft, giving it back, skipping it."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from shifty_pipelines.contexts.arcade.domain.leases import (
    FREE_SKIPS,
    MAX_DRAFT_BYTES,
    SKIP_WINDOW,
    DraftView,
    SkippedMission,
    SkipReason,
    extended_lease,
)
from shifty_pipelines.contexts.arcade.domain.missions import LIVE, MissionView, SlotState
from shifty_pipelines.contexts.arcade.errors import DraftTooLarge, LeaseUsedUp, StaleToken
from shifty_pipelines.contexts.arcade.events import MissionSkipped
from shifty_pipelines.contexts.arcade.models import Draft, Mission, Slot
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import UserId


class Holding(ArcadeUseCases):
    """Each by fencing token: what a tab says of an assignment that has ended counts for nothing."""

    def heartbeat(self, mission_id: uuid.UUID, *, labeler_id: UserId, fencing_token: int) -> MissionView:
        """Extend the lease to its full length from now, up to ten lengths after the claim.

        Raises:
            StaleToken: the caller's present assignment has another token, or there is none.
            LeaseUsedUp: it was extended as far as it goes.
        """
        self._require_self(labeler_id, "keep missions")
        mission = self._locked(mission_id)
        slot = self._held(mission_id, labeler_id, fencing_token)
        now = self.work.clock.now()
        extended = extended_lease(slot.claimed_at, self._lease_duration(mission), now=now)
        if extended <= now:
            raise LeaseUsedUp(mission_id)
        slot.lease_until = max(slot.lease_until, extended)
        return self._view(mission, slot)

    def release(self, mission_id: uuid.UUID, *, labeler_id: UserId, fencing_token: int) -> MissionView:
        """Give the slot back, and forget the draft; repeating it changes nothing.

        Raises:
            StaleToken: the caller has no assignment with this token that could be given back.
        """
        self._require_self(labeler_id, "release missions")
        mission = self._locked(mission_id)
        slot = self._released(mission_id, labeler_id, fencing_token)
        if slot is None:
            self._give_back(mission, self._held(mission_id, labeler_id, fencing_token))
        return self._views([mission], labeler_id)[0]

    def skip(
        self, mission_id: uuid.UUID, *, labeler_id: UserId, fencing_token: int, reason: SkipReason
    ) -> SkippedMission:
        """Give the slot back for a reason; the mission is not offered to this labeler again.

        Skipping is never refused: who must answer answers anything. Skips beyond the free ones are told as such.

        Raises:
            StaleToken: see `release`.
        """
        self._require_self(labeler_id, "skip missions")
        mission = self._locked(mission_id)
        now = self.work.clock.now()
        slot = self._released(mission_id, labeler_id, fencing_token)
        if slot is None:
            slot = self._held(mission_id, labeler_id, fencing_token)
            self._give_back(mission, slot)
            slot.skip_reason, slot.skipped_at = reason.value, now
            self.repository.session.flush()  # so that it is counted below
            skip_count = self.repository.count_skips(labeler_id, since=now - SKIP_WINDOW)
            self.work.outbox.publish(
                MissionSkipped(
                    mission_id=mission_id,
                    labeler_id=labeler_id,
                    mission_type=mission.type,
                    reason=reason.value,
                    is_free=skip_count <= FREE_SKIPS,
                )
            )
        skip_count = self.repository.count_skips(labeler_id, since=now - SKIP_WINDOW)
        return SkippedMission(
            mission=self._views([mission], labeler_id)[0],
            is_free=skip_count <= FREE_SKIPS,
            free_skips_left=max(FREE_SKIPS - skip_count, 0),
        )

    def save_draft(
        self,
        mission_id: uuid.UUID,
        content: Mapping[str, Any],
        *,
        labeler_id: UserId,
        fencing_token: int,
        item_key_slot: int,
    ) -> DraftView:
        """Keep what a labeler has so far, sealed under their key, then the item's; also after the lease ended.

        Raises:
            StaleToken: the caller has no assignment with this token that still could be completed.
            DraftTooLarge: more than 64 KiB as JSON.
        """
        self._require_self(labeler_id, "save drafts")
        size = len(json.dumps(content))
        if size > MAX_DRAFT_BYTES:
            raise DraftTooLarge(size, MAX_DRAFT_BYTES)
        own = self.repository.own_slots(mission_id, labeler_id)
        if not any(slot.fencing_token == fencing_token and slot.state in _DRAFTABLE for slot in own):
            raise StaleToken(mission_id, fencing_token)
        now = self.work.clock.now()
        self.repository.save_draft(
            Draft(
                tenant_id=self.work.tenant_id,
                mission_id=mission_id,
                labeler_id=labeler_id,
                key_slot=item_key_slot,
                sealed=self._seal_own(content, labeler_id, item_key_slot),
                saved_at=now,
            )
        )
        return DraftView(mission_id=mission_id, content=content, saved_at=now)

    def draft(self, mission_id: uuid.UUID, *, labeler_id: UserId) -> DraftView:
        """The caller's draft for a mission.

        Raises:
            NotFound: there is none, or one of its keys was erased.
        """
        self._require_self(labeler_id, "read drafts")
        draft = self.repository.draft(mission_id, labeler_id)
        text = None if draft is None else self._open_own(draft.sealed, labeler_id, draft.key_slot)
        if draft is None or text is None:
            raise NotFound("Draft")
        return DraftView(mission_id=mission_id, content=json.loads(text), saved_at=draft.saved_at)

    def _held(self, mission_id: uuid.UUID, labeler_id: UserId, fencing_token: int) -> Slot:
        own = self.repository.own_slots(mission_id, labeler_id)
        held = next((slot for slot in own if slot.fencing_token == fencing_token and slot.state in LIVE), None)
        if held is None:
            raise StaleToken(mission_id, fencing_token)
        return held

    def _released(self, mission_id: uuid.UUID, labeler_id: UserId, fencing_token: int) -> Slot | None:
        own = self.repository.own_slots(mission_id, labeler_id)
        return next(
            (slot for slot in own if slot.fencing_token == fencing_token and slot.state == SlotState.RELEASED), None
        )

    def _give_back(self, mission: Mission, slot: Slot) -> None:
        slot.state = SlotState.RELEASED.value
        mission.open_slots += 1
        mission.updated_at = self.work.clock.now()
        self.repository.drop_draft(mission.id, slot.labeler_id)


#: States of an assignment that may still become an answer.
_DRAFTABLE = (*LIVE, SlotState.EXPIRED)
