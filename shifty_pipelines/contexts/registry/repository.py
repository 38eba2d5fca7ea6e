"""All SQL of the registry."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from shifty_pipelines.contexts.registry.domain.models import Standing
from shifty_pipelines.contexts.registry.models import (
    Deployment,
    Model,
    ModelAlias,
    ModelAliasEvent,
    ModelEvaluation,
    ModelVersion,
)
from shifty_pipelines.kernel.repository import ScopedRepository

After = tuple[datetime, uuid.UUID] | None


class RegistryRepository(ScopedRepository):
    """Models and what belongs to them, of one tenant."""

    # ---------------------------------------------------------------------------------------------------------- models

    def model(self, model_id: uuid.UUID) -> Model | None:
        """A model by id."""
        return self.find(Model, model_id)

    def lock_model(self, model_id: uuid.UUID) -> Model | None:
        """A model, locked: versions and aliases of one model move one after the other."""
        return self.find_locked(Model, model_id)

    def models(self, *, after: After, limit: int) -> Sequence[Model]:
        """Models, newest first."""
        statement = self.scoped(Model).order_by(Model.created_at.desc(), Model.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(Model.created_at, Model.id) < tuple_(*after))
        return self.session.scalars(statement).all()

    def add_model_once(self, **columns: Any) -> None:
        """Insert a model unless its line, or the tenant's default base, is there already."""
        columns["metadata"] = columns.pop("model_metadata")
        table = Model.__table__
        self.session.execute(insert(table).values(tenant_id=self.tenant_id, **columns).on_conflict_do_nothing())  # type: ignore[arg-type]

    def default_base(self) -> Model | None:
        """The base model that requests without one get."""
        return self.session.scalar(self.scoped(Model).where(Model.is_default_base))

    def line(self, mission_type: str, base_model_id: uuid.UUID) -> Model | None:
        """The line of a mission type on a base."""
        return self.session.scalar(
            self.scoped(Model).where(Model.mission_type == mission_type, Model.base_model_id == base_model_id)
        )

    # -------------------------------------------------------------------------------------------------------- versions

    def version(self, model_id: uuid.UUID, version: int) -> ModelVersion | None:
        """A version of a model."""
        return self.session.scalar(
            self.scoped(ModelVersion).where(ModelVersion.model_id == model_id, ModelVersion.version == version)
        )

    def versions(self, model_id: uuid.UUID) -> Sequence[ModelVersion]:
        """A model's versions, oldest first."""
        statement = self.scoped(ModelVersion).where(ModelVersion.model_id == model_id)
        return self.session.scalars(statement.order_by(ModelVersion.version)).all()

    def version_of_job(self, job_id: uuid.UUID) -> ModelVersion | None:
        """The version a training job made."""
        return self.session.scalar(self.scoped(ModelVersion).where(ModelVersion.training_job_id == job_id))

    # ----------------------------------------------------------------------------------------------------- evaluations

    def evaluation(self, evaluation_id: uuid.UUID) -> ModelEvaluation | None:
        """An evaluation by id."""
        return self.find(ModelEvaluation, evaluation_id)

    def lock_evaluation(self, evaluation_id: uuid.UUID) -> ModelEvaluation | None:
        """An evaluation, locked."""
        return self.find_locked(ModelEvaluation, evaluation_id)

    def evaluations(self, model_id: uuid.UUID, *, after: After, limit: int) -> Sequence[ModelEvaluation]:
        """A model's evaluations, newest first."""
        statement = (
            self.scoped(ModelEvaluation)
            .where(ModelEvaluation.model_id == model_id)
            .order_by(ModelEvaluation.created_at.desc(), ModelEvaluation.id.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(tuple_(ModelEvaluation.created_at, ModelEvaluation.id) < tuple_(*after))
        return self.session.scalars(statement).all()

    def last_verdict(self, model_id: uuid.UUID, version: int) -> ModelEvaluation | None:
        """The newest completed evaluation of a version."""
        return self.session.scalar(
            self.scoped(ModelEvaluation)
            .where(
                ModelEvaluation.model_id == model_id,
                ModelEvaluation.version == version,
                ModelEvaluation.status == "completed",
            )
            .order_by(ModelEvaluation.completed_at.desc(), ModelEvaluation.id.desc())
            .limit(1)
        )

    # --------------------------------------------------------------------------------------------------------- aliases

    def alias_version(self, model_id: uuid.UUID, alias: str) -> int | None:
        """The version an alias points at."""
        return self.session.scalar(
            select(ModelAlias.version).where(
                ModelAlias.tenant_id == self.tenant_id, ModelAlias.model_id == model_id, ModelAlias.alias == alias
            )
        )

    def point_alias(self, model_id: uuid.UUID, alias: str, version: int, *, at: datetime) -> None:
        """Let an alias point at a version."""
        values = {"version": version, "updated_at": at}
        self.session.execute(
            insert(ModelAlias)
            .values(tenant_id=self.tenant_id, model_id=model_id, alias=alias, **values)
            .on_conflict_do_update(
                index_elements=[ModelAlias.tenant_id, ModelAlias.model_id, ModelAlias.alias], set_=values
            )
        )

    def alias_events(self, model_id: uuid.UUID, alias: str) -> Sequence[ModelAliasEvent]:
        """An alias's moves, oldest first."""
        statement = self.scoped(ModelAliasEvent).where(
            ModelAliasEvent.model_id == model_id, ModelAliasEvent.alias == alias
        )
        return self.session.scalars(statement.order_by(ModelAliasEvent.number)).all()

    # ----------------------------------------------------------------------------------------------------- deployments

    def deployment(self, model_id: uuid.UUID, target: str) -> Deployment | None:
        """A model's deployment on an instance."""
        return self.session.scalar(
            self.scoped(Deployment).where(Deployment.model_id == model_id, Deployment.target == target)
        )

    def standings(self, model_ids: Sequence[uuid.UUID], *, alias: str, target: str) -> Mapping[uuid.UUID, Standing]:
        """Where each of these models stands; those that neither serve nor are deployed are left out."""
        serving = self.session.execute(
            select(ModelAlias.model_id, ModelAlias.version).where(
                ModelAlias.tenant_id == self.tenant_id, ModelAlias.alias == alias, ModelAlias.model_id.in_(model_ids)
            )
        )
        deployed = self.session.execute(
            select(Deployment.model_id, Deployment.created_at).where(
                Deployment.tenant_id == self.tenant_id,
                Deployment.target == target,
                Deployment.model_id.in_(model_ids),
            )
        )
        deployed_at = {row.model_id: row.created_at for row in deployed}
        return {
            row.model_id: Standing(serving_version=row.version, deployed_at=deployed_at.get(row.model_id))
            for row in serving
        }
