"""Which version serves: promotion, rollback, deployment."""

import uuid
from collections.abc import Mapping, Sequence

from shifty_pipelines.contexts.registry.domain.aliases import (
    SERVING,
    AliasAction,
    AliasMove,
    promotion_obstacle,
    rollback_target,
)
from shifty_pipelines.contexts.registry.domain.gate import Verdict
from shifty_pipelines.contexts.registry.domain.models import Standing
from shifty_pipelines.contexts.registry.errors import (
    InstanceUnknown,
    NotDeployed,
    NothingPromoted,
    NothingToRollBack,
    NotPromotable,
)
from shifty_pipelines.contexts.registry.events import ModelDeployed, ServingMoved
from shifty_pipelines.contexts.registry.models import Deployment, ModelAliasEvent, ModelVersion
from shifty_pipelines.contexts.registry.service.base import RegistryUseCases

LOCAL = "local"


class Serving(RegistryUseCases):
    """The alias `serving`, its history, and where a model answers."""

    def promote(self, model_id: uuid.UUID, version: int, *, reason: str | None = None) -> ModelVersion:
        """Let a version serve; promoting the one that serves changes nothing.

        Raises:
            NotFound: no such model or version.
            NotTrained: the model is a base.
            NotPromotable: refused, a control, not evaluated, invalidated, or inconclusive without a person's reason;
                also without one, where another version serves than the one it was compared with.
        """
        self._locked_line(model_id)
        row = self.version(model_id, version)
        if row.status != "ready":
            raise NotPromotable(version, "what it was trained on was revoked; train a new version")
        before = self.repository.alias_version(model_id, SERVING)
        if before == version:
            return row
        evaluation = self.repository.last_verdict(model_id, version)
        verdict = Verdict(evaluation.verdict) if evaluation and evaluation.verdict else None
        obstacle = promotion_obstacle(
            verdict,
            is_of_today=evaluation is not None and evaluation.incumbent_version == before,
            reason=reason,
            is_person=self.work.actor.user_id is not None,
        )
        if obstacle is not None:
            raise NotPromotable(version, obstacle)
        if "control" in row.metrics:
            raise NotPromotable(version, f"it is a control ({row.metrics['control']}); train on the labels as they are")
        self._move(model_id, AliasAction.PROMOTE, from_version=before, to_version=version, reason=reason)
        return row

    def roll_back(self, model_id: uuid.UUID, *, reason: str | None = None) -> ModelVersion:
        """Undo the last promotion: the version that served before serves again.

        Raises:
            NotFound: no such model.
            NotTrained: the model is a base.
            NothingToRollBack: none served before.
            NotPromotable: that version was invalidated since.
        """
        self._locked_line(model_id)
        target = rollback_target(self.alias_moves(model_id))
        if target is None:
            raise NothingToRollBack(model_id)
        row = self.version(model_id, target)
        if row.status != "ready":
            raise NotPromotable(target, "what it was trained on was revoked; promote another version")
        before = self.repository.alias_version(model_id, SERVING)
        self._move(model_id, AliasAction.ROLLBACK, from_version=before, to_version=target, reason=reason)
        return row

    def alias_moves(self, model_id: uuid.UUID) -> Sequence[AliasMove]:
        """How `serving` moved, oldest first."""
        return [
            AliasMove(
                number=event.number,
                action=AliasAction(event.action),
                from_version=event.from_version,
                to_version=event.to_version,
                actor_id=event.actor_id,
                reason=event.reason,
                at=event.at,
            )
            for event in self.repository.alias_events(model_id, SERVING)
        ]

    def serving_version(self, model_id: uuid.UUID) -> ModelVersion | None:
        """The version that serves, if one does."""
        number = self.repository.alias_version(self.model(model_id).id, SERVING)
        return None if number is None else self.version(model_id, number)

    def standings(self, model_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Standing]:
        """Where each of these models stands; those that do not serve are left out."""
        return self.repository.standings(model_ids, alias=SERVING, target=LOCAL)

    def deploy(self, model_id: uuid.UUID, *, instance_id: str) -> Deployment:
        """Let a model answer on the tenant's built-in instance, with whatever version is promoted.

        Raises:
            NotFound: no such model.
            NotTrained: the model is a base.
            InstanceUnknown: there is no such instance.
            NothingPromoted: no version serves yet.
        """
        self._locked_line(model_id)
        if instance_id != LOCAL:
            raise InstanceUnknown(instance_id)
        version = self.repository.alias_version(model_id, SERVING)
        if version is None:
            raise NothingPromoted(model_id)
        known = self.repository.deployment(model_id, LOCAL)
        if known is not None:
            return known
        now = self.work.clock.now()
        deployment = Deployment(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            model_id=model_id,
            version=version,
            target=LOCAL,
            status="active",
            created_by=self.work.actor.user_id,
            created_at=now,
            updated_at=now,
        )
        self.repository.add(deployment)
        self.work.audit.record("model.deployed", "model", model_id, version=version, target=LOCAL)
        self.work.outbox.publish(ModelDeployed(model_id=model_id, version=version, target=LOCAL))
        return deployment

    def answering_version(self, model_id: uuid.UUID) -> ModelVersion:
        """The version that answers for a deployed model.

        Raises:
            NotFound: no such model.
            NothingPromoted: no version serves.
            NotDeployed: it answers nowhere.
        """
        version = self.serving_version(model_id)
        if version is None:
            raise NothingPromoted(model_id)
        if self.repository.deployment(model_id, LOCAL) is None:
            raise NotDeployed(model_id)
        return version

    def _move(
        self, model_id: uuid.UUID, action: AliasAction, *, from_version: int | None, to_version: int, reason: str | None
    ) -> None:
        now = self.work.clock.now()
        event = ModelAliasEvent(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            model_id=model_id,
            alias=SERVING,
            number=len(self.repository.alias_events(model_id, SERVING)) + 1,
            action=action.value,
            from_version=from_version,
            to_version=to_version,
            actor_id=self.work.actor.user_id,
            reason=reason,
            at=now,
        )
        self.repository.add(event)
        self.repository.point_alias(model_id, SERVING, to_version, at=now)
        deployment = self.repository.deployment(model_id, LOCAL)
        if deployment is not None:
            deployment.version, deployment.updated_at = to_version, now
        self.work.audit.record(
            f"model.{action.value}", "model", model_id, from_version=from_version, to_version=to_version
        )
        self.work.outbox.publish(
            ServingMoved(model_id=model_id, action=action.value, from_version=from_version, to_version=to_version)
        )
