"""Many missions of one pattern: made, held back, given out again and called off together."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from shifty_pipelines.contexts.arcade.domain.batches import BatchState, BatchView, NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import Difficulty, MissionState, MissionType, NewMission
from shifty_pipelines.contexts.arcade.domain.questions import CHOICES, FORMS
from shifty_pipelines.contexts.arcade.domain.rewards import mission_xp
from shifty_pipelines.contexts.arcade.errors import BatchClosed, MissionClosed
from shifty_pipelines.contexts.arcade.events import MissionCancelled
from shifty_pipelines.contexts.arcade.models import Batch, LedgerEntry, Mission, Template
from shifty_pipelines.contexts.arcade.repository.batches import Position
from shifty_pipelines.contexts.arcade.service.authoring import Authoring
from shifty_pipelines.kernel.errors import InvalidValue, NotFound


class Batching(Authoring):
    """Templates and batches. Call `flows/create_batch.py` to make a batch: it keeps the items."""

    def add_template(self, new: NewTemplate) -> Template:
        """Name a pattern of missions.

        Raises:
            TemplateExists: there is one of that name.
            RewardOutOfRange: the XP is outside the type's range.
            InvalidValue: labels for a type whose answers bring their own, or too small a quorum.
        """
        if new.labels is not None and FORMS.get(new.type) not in CHOICES:
            raise InvalidValue("labels", ", ".join(new.labels), f"none: answers to {new.type} bring their own labels")
        self._require_quorum(new.type, new.slot_count)
        template = Template(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            name=new.name,
            type=new.type.value,
            difficulty=new.difficulty.value,
            title=new.title,
            description=new.description,
            instructions=new.instructions,
            labels=None if new.labels is None else list(new.labels),
            xp_reward=mission_xp(new.type, new.xp_reward),
            coin_reward=new.coin_reward,
            time_estimate_minutes=new.time_estimate_minutes,
            required_skill_level=new.required_skill_level,
            slot_count=new.slot_count,
            priority=new.priority,
            created_at=self.work.clock.now(),
            created_by=self.work.actor.user_id,
        )
        self.repository.add_template(template)
        self.work.audit.record("mission_template.created", "mission_template", template.id, type=template.type)
        return template

    def template(self, template_id: uuid.UUID) -> Template:
        """A template by id.

        Raises:
            NotFound: none by that id in this tenant.
        """
        found = self.repository.template(template_id)
        if found is None:
            raise NotFound("Mission template")
        return found

    def template_named(self, name: str) -> Template | None:
        """The template of this name, if there is one."""
        return self.repository.template_named(name)

    def templates(self, *, after: Position | None, limit: int) -> Sequence[Template]:
        """Templates, newest first."""
        return self.repository.templates(after=after, limit=limit)

    def create_batch(
        self, template_id: uuid.UUID, item_ids: Sequence[uuid.UUID], *, name: str, expires_at: datetime | None
    ) -> uuid.UUID:
        """A mission about each item, after the template; the batch's id.

        Raises:
            NotFound: no such template.
            InvalidValue: they would expire in the past.
        """
        template, now, batch_id = self.template(template_id), self.work.clock.now(), self.work.ids.new()
        new = NewMission(
            type=MissionType(template.type),
            title=template.title,
            description=template.description,
            instructions=template.instructions,
            difficulty=Difficulty(template.difficulty),
            xp_reward=template.xp_reward,
            coin_reward=template.coin_reward,
            time_estimate_minutes=template.time_estimate_minutes,
            required_skill_level=template.required_skill_level,
            slot_count=template.slot_count,
            priority=template.priority,
            expires_at=expires_at,
            batch_id=batch_id,
        )
        batch = Batch(
            tenant_id=self.work.tenant_id,
            id=batch_id,
            name=name,
            template_id=template_id,
            state=BatchState.OPEN.value,
            mission_count=len(item_ids),
            expires_at=expires_at,
            created_at=now,
            created_by=self.work.actor.user_id,
            updated_at=now,
        )
        self.repository.add_missions(batch, [self._new_mission(new, item_id) for item_id in item_ids])
        self.work.audit.record("mission_batch.created", "mission_batch", batch_id, count=len(item_ids))
        return batch_id

    def batch(self, batch_id: uuid.UUID) -> BatchView:
        """A batch with its counts.

        Raises:
            NotFound: none by that id in this tenant.
        """
        found = self.repository.batch(batch_id)
        if found is None:
            raise NotFound("Mission batch")
        return self._batch_views([found])[0]

    def batches(self, *, after: Position | None, limit: int) -> list[BatchView]:
        """Batches with their counts, newest first."""
        return self._batch_views(self.repository.batches(after=after, limit=limit))

    def pause_batch(self, batch_id: uuid.UUID, *, is_paused: bool) -> BatchView:
        """Give out none of the batch's missions, or give them out again; who holds one goes on.

        Raises:
            BatchClosed: it was cancelled.
        """
        batch = self._locked_batch(batch_id)
        wanted = BatchState.PAUSED if is_paused else BatchState.OPEN
        if batch.state == BatchState.CANCELLED:
            raise BatchClosed(batch_id, batch.state)
        if batch.state != wanted:
            now = self.work.clock.now()
            batch.state, batch.updated_at = wanted.value, now
            self.repository.set_paused(batch_id, is_paused=is_paused, at=now)
            action = "paused" if is_paused else "resumed"
            self.work.audit.record(f"mission_batch.{action}", "mission_batch", batch_id)
        return self._batch_views([batch])[0]

    def cancel_batch(self, batch_id: uuid.UUID) -> BatchView:
        """Call off what is not decided yet; answers given are paid as promised. Repeating it changes nothing."""
        batch = self._locked_batch(batch_id)
        if batch.state != BatchState.CANCELLED:
            batch.state, batch.updated_at = BatchState.CANCELLED.value, self.work.clock.now()
            self._cancel(self.repository.lock_unfinished(batch_id))
            self.work.audit.record("mission_batch.cancelled", "mission_batch", batch_id)
        return self._batch_views([batch])[0]

    def cancel(self, mission_id: uuid.UUID) -> None:
        """Call one mission off, as `cancel_batch` does; repeating it changes nothing.

        Raises:
            MissionClosed: it is decided, settled or expired.
        """
        mission = self._locked(mission_id)
        if mission.state == MissionState.CANCELLED:
            return
        if mission.state not in (MissionState.OPEN, MissionState.DISPUTED):
            raise MissionClosed(mission_id, mission.state)
        self._cancel([mission])
        self.work.audit.record("mission.cancelled", "mission", mission_id)

    def _cancel(self, missions: Sequence[Mission]) -> None:
        """Locked missions: no more answers, and whoever gave one is paid what they were promised."""
        mission_ids = [mission.id for mission in missions]
        promises = self.repository.open_promises(mission_ids)
        self.game.book([self._kept_promise(promised) for promised in promises])
        self.repository.end_leases(mission_ids)
        answer_counts = Counter(promised.mission_id for promised in promises)
        for mission in missions:
            mission.state, mission.updated_at = MissionState.CANCELLED.value, self.work.clock.now()
            self.work.outbox.publish(
                MissionCancelled(
                    mission_id=mission.id,
                    item_id=mission.item_id,
                    mission_type=mission.type,
                    answer_count=answer_counts[mission.id],
                )
            )

    def _kept_promise(self, promised: LedgerEntry) -> LedgerEntry:
        """Paid without judgement: it says nothing about who was right, so it counts for no accuracy and on no board."""
        return self.game.entry(
            promised.labeler_id,
            "settled",
            mission_id=promised.mission_id,
            assignment_id=promised.assignment_id,
            xp=promised.xp_pending,
            coins=promised.coins_pending,
            xp_pending=-promised.xp_pending,
            coins_pending=-promised.coins_pending,
        )

    def _locked_batch(self, batch_id: uuid.UUID) -> Batch:
        batch = self.repository.lock_batch(batch_id)
        if batch is None:
            raise NotFound("Mission batch")
        return batch

    def _batch_views(self, batches: Sequence[Batch]) -> list[BatchView]:
        self.repository.session.flush()  # so that the states counted are those just set
        counts = self.repository.count_states([batch.id for batch in batches])
        return [
            BatchView(
                id=batch.id,
                name=batch.name,
                template_id=batch.template_id,
                state=BatchState(batch.state),
                mission_count=batch.mission_count,
                expires_at=batch.expires_at,
                created_at=batch.created_at,
                updated_at=batch.updated_at,
                counts=counts.get(batch.id, {}),
            )
            for batch in batches
        ]
