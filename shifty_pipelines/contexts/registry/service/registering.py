"""Registering models, and the versions that training adds to them."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from shifty_pipelines.contexts.registry.domain.models import (
    PACKAGED_BASE,
    ModelSource,
    ModelStatus,
    NewModel,
    NewVersion,
)
from shifty_pipelines.contexts.registry.errors import BaseModelUnknown, NotABase, SourceUnsupported
from shifty_pipelines.contexts.registry.events import VersionRegistered
from shifty_pipelines.contexts.registry.models import Model, ModelVersion
from shifty_pipelines.contexts.registry.ports import BaseModelFiles
from shifty_pipelines.contexts.registry.service.base import RegistryUseCases
from shifty_pipelines.kernel.errors import NotFound


class Registering(RegistryUseCases):
    """Models and versions."""

    def register(self, new: NewModel) -> Model:
        """Register a base model whose files are on this machine.

        Raises:
            SourceUnsupported: models of that source cannot be had here.
            BaseModelUnknown: nothing lies where the source id says.
        """
        if new.source is not ModelSource.CUSTOM:
            raise SourceUnsupported(new.source.value)
        if self.bases.find(new.source_id) is None:
            raise BaseModelUnknown(new.source_id)
        model_id = self._insert(new)
        return self.model(model_id)

    def default_base(self) -> Model:
        """The packaged base model, registered on first use."""
        found = self.repository.default_base()
        if found is None:
            name = PACKAGED_BASE.partition(":")[2]
            self._insert(NewModel(name=name, source=ModelSource.CUSTOM, source_id=PACKAGED_BASE), is_default_base=True)
            found = self.repository.default_base()
        if found is None:
            raise RuntimeError("the default base that kept this one from being inserted cannot be read")
        return found

    def base(self, model_id: uuid.UUID | None) -> Model:
        """The base model of that id, or the default one.

        Raises:
            NotFound: no such model.
            NotABase: it is a trained line.
        """
        if model_id is None:
            return self.default_base()
        model = self.model(model_id)
        if model.mission_type is not None:
            raise NotABase(model_id)
        return model

    def base_files(self, model_id: uuid.UUID) -> BaseModelFiles:
        """Where the files of a base model lie.

        Raises:
            NotFound: no such model.
            BaseModelUnknown: they have been removed since it was registered.
        """
        model = self.model(model_id)
        files = self.bases.find(model.source_id)
        if files is None:
            raise BaseModelUnknown(model.source_id)
        return files

    def models(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[Model]:
        """Models, newest first; the next page starts after the last one's `(created_at, id)`."""
        return self.repository.models(after=after, limit=limit)

    def line(self, mission_type: str, base_model_id: uuid.UUID) -> Model:
        """The line of a mission type on a base, made on first use."""
        found = self.repository.line(mission_type, base_model_id)
        if found is None:
            base = self.model(base_model_id)
            new = NewModel(
                name=f"{base.name}-{mission_type}"[:255], source=ModelSource.CUSTOM, source_id=f"trained:{mission_type}"
            )
            self._insert(new, mission_type=mission_type, base_model_id=base_model_id)
            found = self.repository.line(mission_type, base_model_id)
        if found is None:
            raise RuntimeError("the line that kept this one from being inserted cannot be read; lines never go")
        return found

    def add_version(self, new: NewVersion) -> ModelVersion:
        """Register what a training job made; the same job again gives the same version.

        Raises:
            NotFound: no such model.
            NotTrained: the model is a base.
        """
        model = self._locked_line(new.model_id)
        known = self.repository.version_of_job(new.training_job_id)
        if known is not None:
            return known
        model.latest_version += 1
        model.updated_at = self.work.clock.now()
        version = self._version_row(new, model.latest_version)
        self.repository.add(version)
        self.work.audit.record("model.version_registered", "model", new.model_id, version=version.version)
        self.work.outbox.publish(VersionRegistered(model_id=new.model_id, version=version.version, kind=new.kind.value))
        return version

    def version_of_job(self, job_id: uuid.UUID) -> ModelVersion:
        """The version a training job made.

        Raises:
            NotFound: it made none.
        """
        version = self.repository.version_of_job(job_id)
        if version is None:
            raise NotFound("Model version")
        return version

    def versions(self, model_id: uuid.UUID) -> Sequence[ModelVersion]:
        """A model's versions, oldest first."""
        return self.repository.versions(self.model(model_id).id)

    def _insert(
        self,
        new: NewModel,
        *,
        mission_type: str | None = None,
        base_model_id: uuid.UUID | None = None,
        is_default_base: bool = False,
    ) -> uuid.UUID:
        now, model_id = self.work.clock.now(), self.work.ids.new()
        self.repository.add_model_once(
            id=model_id,
            name=new.name,
            source=new.source.value,
            source_id=new.source_id,
            status=ModelStatus.READY.value,
            version=new.version,
            config=dict(new.config),
            mission_type=mission_type,
            base_model_id=base_model_id,
            is_default_base=is_default_base,
            latest_version=0,
            model_metadata={},
            created_by=self.work.actor.user_id,
            created_at=now,
            updated_at=now,
        )
        self.work.audit.record("model.registered", "model", model_id, source=new.source.value)
        return model_id

    def _version_row(self, new: NewVersion, number: int) -> ModelVersion:
        return ModelVersion(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            model_id=new.model_id,
            version=number,
            kind=new.kind.value,
            labels=list(new.labels),
            data_asset_id=new.data_asset_id,
            key_slot=new.key_slot,
            manifest_sha256=new.manifest_sha256,
            dataset_id=new.dataset_id,
            dataset_version_id=new.dataset_version_id,
            training_job_id=new.training_job_id,
            metrics=dict(new.metrics),
            status="ready",
            created_at=self.work.clock.now(),
        )
