"""Making missions, and closing those whose time is over."""

import uuid

from shifty_pipelines.contexts.arcade.domain.leases import FEWEST_TIMED, MEASURED_EVERY, RECENT_TIMED
from shifty_pipelines.contexts.arcade.domain.missions import (
    MIN_QUORUM,
    MissionState,
    MissionType,
    MissionView,
    NewMission,
)
from shifty_pipelines.contexts.arcade.domain.rewards import mission_xp
from shifty_pipelines.contexts.arcade.errors import MissionsOpen
from shifty_pipelines.contexts.arcade.events import MissionDisputed
from shifty_pipelines.contexts.arcade.models import Mission
from shifty_pipelines.contexts.arcade.service.deciding import Deciding
from shifty_pipelines.kernel.errors import InvalidValue

#: Missions freed or closed in one go; the sensor comes again, and a claim needs only a few.
SWEEP_LIMIT = 100


class Authoring(Deciding):
    """Where missions come from, and where unanswered ones go."""

    def create(self, new: NewMission, *, item_id: uuid.UUID) -> MissionView:
        """A mission that asks `slot_count` labelers about one item.

        Raises:
            RewardOutOfRange: the XP is outside the type's range.
            InvalidValue: it would expire in the past.
        """
        mission = self._new_mission(new, item_id)
        self.repository.add(mission)
        self.work.audit.record("mission.created", "mission", mission.id, type=mission.type, slots=mission.slot_count)
        return self._view(mission, None)

    def _new_mission(self, new: NewMission, item_id: uuid.UUID) -> Mission:
        now = self.work.clock.now()
        if new.expires_at is not None and new.expires_at <= now:
            raise InvalidValue("expiresAt", new.expires_at.isoformat(), "a time to come")
        self._require_quorum(new.type, new.slot_count)
        return Mission(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            item_id=item_id,
            type=new.type.value,
            difficulty=new.difficulty.value,
            state=MissionState.OPEN.value,
            title=new.title,
            description=new.description,
            instructions=new.instructions,
            xp_reward=mission_xp(new.type, new.xp_reward, new.difficulty),
            coin_reward=new.coin_reward,
            time_estimate_minutes=new.time_estimate_minutes,
            required_skill_level=new.required_skill_level,
            priority=new.priority,
            slot_count=new.slot_count,
            open_slots=new.slot_count,
            next_token=1,
            expires_at=new.expires_at,
            created_at=now,
            created_by=self.work.actor.user_id,
            reported_by=new.reported_by,
            batch_id=new.batch_id,
            updated_at=now,
        )

    def _require_quorum(self, mission_type: MissionType, slot_count: int) -> None:
        if mission_type is MissionType.APPROVE_DEPLOYMENT and slot_count < MIN_QUORUM:
            raise InvalidValue("slotCount", slot_count, f"a quorum of {MIN_QUORUM} to 7 for {mission_type}")

    def require_no_unsettled(self, mission_type: MissionType) -> None:
        """Refuse while missions of the type wait for answers or a decision.

        Raises:
            MissionsOpen: says how many.
        """
        unsettled_count = self.repository.count_unsettled(mission_type)
        if unsettled_count:
            raise MissionsOpen(mission_type.value, unsettled_count)

    def measure_times(self) -> None:
        """Measure how long answers take, type by type: leases of missions claimed from now on are three times that.

        What was measured a moment ago stands.
        """
        now = self.work.clock.now()
        measured_at = self.repository.measured_at()
        if measured_at is None or measured_at + MEASURED_EVERY <= now:
            self.repository.measure_times(at=now, recent=RECENT_TIMED, fewest=FEWEST_TIMED)

    def close_overdue(self) -> int:
        """Close missions past their time that nobody holds any more; returns how many.

        One without answers is expired. One with some waits for a person's decision: nobody's pending XP is lost. A
        deployment without its quorum is rejected.
        """
        now = self.work.clock.now()
        closed = self.repository.overdue(now=now, limit=SWEEP_LIMIT)
        for mission in closed:
            self._close(mission, answer_count=len(self.repository.answers(mission.id)))
        return len(closed)

    def _close(self, mission: Mission, *, answer_count: int) -> None:
        if answer_count and mission.type == MissionType.APPROVE_DEPLOYMENT:
            self._decide(mission)
            return
        mission.state = MissionState.DISPUTED.value if answer_count else MissionState.EXPIRED.value
        mission.updated_at = self.work.clock.now()
        if answer_count:
            self.work.outbox.publish(
                MissionDisputed(
                    mission_id=mission.id,
                    item_id=mission.item_id,
                    mission_type=mission.type,
                    answer_count=answer_count,
                )
            )
