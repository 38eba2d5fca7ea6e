"""One tenant's Arcade for a test: a clock that stands still, keys in memory, any number of people."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from shifty_pipelines.contexts.arcade.domain.missions import (
    Answer,
    CompletedMission,
    MissionType,
    MissionView,
    NewMission,
)
from shifty_pipelines.contexts.arcade.domain.profiles import ProfileChange, ProfileView
from shifty_pipelines.contexts.arcade.service import ArcadeService
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.keys import MemoryKeySlots, MemoryTenantKeys
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId
from shifty_pipelines.kernel.work import UnitOfWork, begin_work

MONDAY_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def person() -> UserId:
    return UserId(uuid.uuid4())


@dataclass
class Stage:
    database: Database
    tenant_id: TenantId
    clock: FixedClock = field(default_factory=lambda: FixedClock(MONDAY_NOON))
    keys: MemoryKeySlots = field(default_factory=MemoryKeySlots)
    lead: UserId = field(default_factory=person)
    pseudonyms: TenantHmac = field(default_factory=lambda: TenantHmac(MemoryTenantKeys()))

    @contextmanager
    def work(self, user_id: UserId | None, role: Role = Role.MEMBER) -> Iterator[UnitOfWork]:
        actor = Actor(tenant_id=self.tenant_id, user_id=user_id, role=role)
        with self.database.tenant_transaction(self.tenant_id) as scope:
            yield begin_work(scope, actor, self.clock, RandomIds())

    @contextmanager
    def arcade(self, user_id: UserId | None, role: Role = Role.MEMBER) -> Iterator[ArcadeService]:
        with self.work(user_id, role) as work:
            yield ArcadeService(work, self.keys)

    def wait(self, **how_long: float) -> None:
        self.clock.advance(timedelta(**how_long))

    def query(self, sql: str, **parameters: Any) -> list[Any]:
        with self.database.tenant_transaction(self.tenant_id) as scope:
            return list(scope.session.execute(text(sql), parameters))

    def execute(self, sql: str, **parameters: Any) -> None:
        with self.database.tenant_transaction(self.tenant_id) as scope:
            scope.session.execute(text(sql), {"t": self.tenant_id, **parameters})

    # The steps most tests take, each in a transaction of its own.

    def mission(self, **wanted: Any) -> uuid.UUID:
        wanted = {"type": MissionType.CLASSIFY_ERROR, "title": "Which kind of error is this?", **wanted}
        with self.arcade(self.lead, Role.OWNER) as arcade:
            return arcade.create(NewMission(**wanted), item_id=uuid.uuid4()).id

    def next(self, labeler_id: UserId, **wanted: Any) -> list[MissionView]:
        with self.arcade(labeler_id) as arcade:
            return arcade.next(labeler_id=labeler_id, **wanted)

    def available(self, labeler_id: UserId, **wanted: Any) -> list[uuid.UUID]:
        with self.arcade(labeler_id) as arcade:
            return [view.id for view in arcade.available(labeler_id=labeler_id, **wanted)]

    def assign(self, mission_id: uuid.UUID, labeler_id: UserId) -> MissionView:
        with self.arcade(labeler_id) as arcade:
            return arcade.assign(mission_id, labeler_id=labeler_id)

    def start(self, mission_id: uuid.UUID, labeler_id: UserId) -> MissionView:
        with self.arcade(labeler_id) as arcade:
            return arcade.start(mission_id, labeler_id=labeler_id)

    def view(self, mission_id: uuid.UUID, labeler_id: UserId) -> MissionView:
        with self.arcade(labeler_id) as arcade:
            return arcade.view(mission_id, labeler_id=labeler_id)

    def complete(
        self,
        mission_id: uuid.UUID,
        labeler_id: UserId,
        label: str = "timeout",
        *,
        token: int | None = None,
        item_key_slot: int | None = None,
        **answer: Any,
    ) -> CompletedMission:
        with self.arcade(labeler_id) as arcade:
            return arcade.complete(
                mission_id,
                Answer(label=label, **answer),
                labeler_id=labeler_id,
                item_key_slot=self.keys.allocate(self.tenant_id).start if item_key_slot is None else item_key_slot,
                fencing_token=token,
            )

    def undo(self, mission_id: uuid.UUID, labeler_id: UserId, token: int) -> MissionView:
        with self.arcade(labeler_id) as arcade:
            return arcade.undo(mission_id, labeler_id=labeler_id, fencing_token=token).mission

    def settle(self, mission_id: uuid.UUID, label: str = "timeout") -> MissionView:
        with self.arcade(None, Role.OWNER) as arcade:
            return arcade.settle(mission_id, label)

    def profile(self, user_id: UserId) -> ProfileView:
        with self.arcade(user_id) as arcade:
            return arcade.profile(user_id)

    def change(self, user_id: UserId, **change: Any) -> ProfileView:
        with self.arcade(user_id) as arcade:
            return arcade.change_profile(user_id, ProfileChange(**change))

    def answered_mission(self, answers: dict[UserId, str], **wanted: Any) -> uuid.UUID:
        """A mission with a slot for each of these labelers, all used."""
        mission_id = self.mission(slot_count=len(answers), **wanted)
        for labeler_id, label in answers.items():
            self.assign(mission_id, labeler_id)
            self.complete(mission_id, labeler_id, label)
        return mission_id
