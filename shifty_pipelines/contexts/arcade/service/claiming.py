"""Getting missions into hands: never more hands than slots, never one labeler twice, never for ever."""

import uuid
from datetime import datetime

from shifty_pipelines.contexts.arcade.domain.missions import (
    LIVE,
    MAX_LIVE,
    TAKEN,
    MissionState,
    MissionType,
    MissionView,
    SlotState,
)
from shifty_pipelines.contexts.arcade.errors import NotAnApprover, NotAssigned, NotOffered
from shifty_pipelines.contexts.arcade.models import Mission, Slot
from shifty_pipelines.contexts.arcade.repository.queue import Offer
from shifty_pipelines.contexts.arcade.service.authoring import SWEEP_LIMIT
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.tenant import UserId

#: The grant of those who decide deployments; tenancy names it.
APPROVER_GRANT = "deployment_approver"


class Claiming(ArcadeUseCases):
    """Offering, leasing, starting, and taking back what was abandoned."""

    def next(self, *, labeler_id: UserId, mission_type: MissionType | None = None, count: int = 1) -> list[MissionView]:
        """Top up the caller's live missions (of one type, if named) to `count`, at most five in all; returns them all.

        Asking again returns the same missions, so a lost answer leaks none.
        """
        self._require_self(labeler_id, "claim missions")
        self._locked_profile(labeler_id)
        now = self.work.clock.now()
        released_count = self.repository.release_ended_leases(now=now, limit=SWEEP_LIMIT)
        live = self.repository.live_missions(labeler_id, now=now)
        wanted = count - sum(1 for _, held_type in live if mission_type in (None, held_type))
        offer = self._offer(labeler_id, mission_type, now)
        self._claim(offer, min(wanted, MAX_LIVE - len(live)), may_wait=released_count == 0)
        return self._live_views(labeler_id, mission_type, now)

    def available(
        self, *, labeler_id: UserId, mission_type: MissionType | None = None, limit: int = 10
    ) -> list[MissionView]:
        """Missions that `assign` would give this labeler, best paid first."""
        self._require_self_or_lead(labeler_id, "see what is available to others")
        now = self.work.clock.now()
        # Else an abandoned mission would stay hidden until the sensor's next turn.
        self.repository.release_ended_leases(now=now, limit=SWEEP_LIMIT)
        offer = self._offer(labeler_id, mission_type, now)
        return [self._view(mission, None) for mission in self.repository.available(offer, limit=limit)]

    def assign(self, mission_id: uuid.UUID, *, labeler_id: UserId) -> MissionView:
        """Lease one slot of this mission to a labeler; owner and admin may do so for others, audited.

        Raises:
            NotOffered: it is not among those available to the labeler, or they hold five already.
        """
        self._require_self_or_lead(labeler_id, "assign missions to others")
        self._locked_profile(labeler_id)
        mission = self._locked(mission_id)
        now = self.work.clock.now()
        if self.repository.release_ended_leases(now=now, limit=SWEEP_LIMIT, mission_id=mission_id):
            mission = self._locked(mission_id)
        held = self.repository.taken_by(labeler_id, [mission_id]).get(mission_id)
        if held is not None and held.state in LIVE:
            return self._view(mission, held)
        self._require_offered(mission, held, labeler_id, now)
        slot = self._lease_open_slot(mission, labeler_id)
        if labeler_id != self.work.actor.user_id:
            self.work.audit.record("mission.assigned", "mission", mission_id, labeler_id=str(labeler_id))
        return self._view(mission, slot)

    def start(self, mission_id: uuid.UUID, *, labeler_id: UserId) -> MissionView:
        """Begin a mission one holds; its lease runs anew from now.

        Raises:
            NotAssigned: the caller holds no slot of it (any more).
        """
        self._require_self(labeler_id, "start missions")
        mission = self._locked(mission_id)
        slot = self.repository.taken_by(labeler_id, [mission_id]).get(mission_id)
        if slot is None:
            raise NotAssigned(mission_id)
        if slot.state == SlotState.LEASED:
            now = self.work.clock.now()
            slot.state, slot.started_at = SlotState.STARTED.value, now
            slot.lease_until = now + self._lease_duration(mission)
        return self._view(mission, slot)

    def active(self, *, labeler_id: UserId) -> list[MissionView]:
        """What a labeler holds at present, in the order it was claimed."""
        self._require_self_or_lead(labeler_id, "list what others hold")
        return self._live_views(labeler_id, None, self.work.clock.now())

    def release_expired(self) -> int:
        """Take back slots whose lease has ended; returns how many."""
        return self.repository.release_ended_leases(now=self.work.clock.now(), limit=SWEEP_LIMIT)

    def _offer(self, labeler_id: UserId, mission_type: MissionType | None, now: datetime) -> Offer:
        return Offer(
            labeler_id=labeler_id,
            level=self._level(labeler_id),
            mission_type=mission_type,
            now=now,
            may_approve=self._may_approve(labeler_id),
        )

    def _may_approve(self, labeler_id: UserId) -> bool:
        actor = self.work.actor
        return labeler_id == actor.user_id and APPROVER_GRANT in actor.grants

    def _claim(self, offer: Offer, wanted: int, *, may_wait: bool) -> None:
        claimed = 0
        while claimed < wanted:
            mission = self.repository.claim(offer)
            if mission is None and claimed == 0 and may_wait:
                # All that is left may be locked by others for a moment; with no mission of our own locked, waiting is
                # safe, and better than telling a labeler that there is nothing to do.
                mission = self.repository.claim_waiting(offer)
            if mission is None:
                return
            self._lease_open_slot(mission, UserId(offer.labeler_id))
            claimed += 1

    def _lease_open_slot(self, mission: Mission, labeler_id: UserId) -> Slot:
        """Give the lowest open slot of a locked mission to a labeler."""
        slot_number, duration = self.repository.free_slot_number(mission), self._lease_duration(mission)
        mission.open_slots -= 1  # after what was asked above: the mission is written once, with its next token
        return self._lease(mission, labeler_id, slot_number, duration)

    def _require_offered(self, mission: Mission, held: Slot | None, labeler_id: UserId, now: datetime) -> None:
        if mission.type == MissionType.APPROVE_DEPLOYMENT and not self._may_approve(labeler_id):
            raise NotAnApprover
        reason = self._why_not_theirs(mission, held, labeler_id) or self._why_not_open(mission, labeler_id, now)
        if reason is not None:
            raise NotOffered(mission.id, reason)

    def _why_not_theirs(self, mission: Mission, held: Slot | None, labeler_id: UserId) -> str | None:
        if held is not None and held.state in TAKEN:
            return "you completed it already"
        if mission.created_by == labeler_id:
            return "you made it yourself, and nobody judges their own question"
        if mission.reported_by == labeler_id:
            return "you reported the error it asks about"
        return None

    def _why_not_open(self, mission: Mission, labeler_id: UserId, now: datetime) -> str | None:
        reason = None
        if mission.is_paused:
            reason = "it is paused"
        elif mission.state != MissionState.OPEN:
            reason = f"it is {mission.state}"
        elif mission.expires_at is not None and mission.expires_at <= now:
            reason = f"it expired at {mission.expires_at.isoformat()}"
        elif mission.open_slots == 0:
            reason = "all its slots are taken"
        elif mission.required_skill_level > self._level(labeler_id):
            reason = f"it asks for level {mission.required_skill_level}"
        elif len(self.repository.live_missions(labeler_id, now=now)) >= MAX_LIVE:
            reason = f"{MAX_LIVE} missions are held already; complete one first"
        return reason

    def _live_views(self, labeler_id: UserId, mission_type: MissionType | None, now: datetime) -> list[MissionView]:
        live = self.repository.live_missions(labeler_id, now=now)
        wanted = [mission_id for mission_id, held_type in live if mission_type in (None, held_type)]
        missions = self.repository.missions(wanted)
        return self._views([missions[mission_id] for mission_id in wanted], labeler_id)
