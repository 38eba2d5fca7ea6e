"""One tenant's platform for a test of flows: arcade and curation, and nothing of what missions do not touch."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from shifty_pipelines.contexts.arcade.domain.missions import (
    Answer,
    CompletedMission,
    MissionType,
    MissionView,
    NewMission,
)
from shifty_pipelines.contexts.arcade.service import ArcadeService
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.contexts.feedback.service import FeedbackService
from shifty_pipelines.flows.complete_mission import complete_mission, undo_completion
from shifty_pipelines.flows.create_mission import create_mission
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.flows.settle_mission import adjudicate
from shifty_pipelines.flows.subscriptions import SUBSCRIPTIONS
from shifty_pipelines.kernel.db import Database, TenantScope
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.outbox import Dispatcher
from shifty_pipelines.kernel.tenant import Role, UserId, system_actor
from shifty_pipelines.kernel.work import UnitOfWork, begin_work
from shifty_pipelines.services import Services
from tests.contexts.arcade.stage import Stage

LABELS = ("assertion", "network", "timeout")
TYPE = MissionType.CLASSIFY_ERROR


class FlowStage(Stage):
    def services_of(self, work: UnitOfWork) -> Services:
        absent = cast("Any", None)
        return Services(
            work=work,
            tenancy=absent,
            arcade=ArcadeService(work, self.keys),
            curation=CurationService(work, self.keys, self.pseudonyms),
            feedback=FeedbackService(work, self.keys, self.pseudonyms),
            lifecycle=absent,
            training=absent,
            registry=absent,
            integrations=absent,
        )

    @contextmanager
    def services(self, user_id: UserId | None, role: Role = Role.MEMBER) -> Iterator[Services]:
        with self.work(user_id, role) as work:
            yield self.services_of(work)

    def dispatcher(self, worker: Database) -> Dispatcher[Services]:
        def open_work(scope: TenantScope) -> Services:
            return self.services_of(begin_work(scope, system_actor(scope.tenant_id), self.clock, RandomIds()))

        return Dispatcher(
            worker=worker, app=self.database, open_work=open_work, subscriptions=SUBSCRIPTIONS, clock=self.clock
        )

    def set_labels(self, *labels: str) -> tuple[str, ...]:
        with self.services(self.lead, Role.OWNER) as services:
            return set_labels(services, TYPE, labels or LABELS)

    def question(self, payload: dict[str, Any] | None = None, **wanted: Any) -> MissionView:
        mission = NewMission(type=TYPE, title="Which kind of error is this?", **wanted)
        with self.services(self.lead, Role.OWNER) as services:
            return create_mission(services, mission, payload=payload or {"message": "waited 30 s for #submit"})

    def answer(self, mission_id: uuid.UUID, labeler_id: UserId, label: str, **rest: Any) -> CompletedMission:
        with self.services(labeler_id) as services:
            return complete_mission(services, mission_id, labeler_id=labeler_id, answer=Answer(label=label), **rest)

    def take_and_answer(self, mission_id: uuid.UUID, labeler_id: UserId, label: str) -> CompletedMission:
        self.assign(mission_id, labeler_id)
        return self.answer(mission_id, labeler_id, label)

    def take_back(self, mission_id: uuid.UUID, labeler_id: UserId, token: int) -> MissionView:
        with self.services(labeler_id) as services:
            return undo_completion(services, mission_id, labeler_id=labeler_id, fencing_token=token)

    def adjudicate(self, mission_id: uuid.UUID, label: str, role: Role = Role.OWNER) -> MissionView:
        with self.services(self.lead, role) as services:
            return adjudicate(services, mission_id, label)
