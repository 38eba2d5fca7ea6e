"""What every story of the registry needs: the repository, and rows that are there or refused."""

import uuid

from shifty_pipelines.contexts.registry.errors import NotTrained
from shifty_pipelines.contexts.registry.models import Model, ModelVersion
from shifty_pipelines.contexts.registry.ports import BaseModels
from shifty_pipelines.contexts.registry.repository import RegistryRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.work import UnitOfWork


class RegistryUseCases:
    """Shared by the stories; holds no state but the unit of work's."""

    def __init__(self, work: UnitOfWork, bases: BaseModels) -> None:
        self.work = work
        self.bases = bases
        self.repository = RegistryRepository(work.scope)

    def model(self, model_id: uuid.UUID) -> Model:
        """A model.

        Raises:
            NotFound: none by that id in this tenant.
        """
        model = self.repository.model(model_id)
        if model is None:
            raise NotFound("Model")
        return model

    def version(self, model_id: uuid.UUID, version: int) -> ModelVersion:
        """A version of a model.

        Raises:
            NotFound: no such version.
        """
        found = self.repository.version(model_id, version)
        if found is None:
            raise NotFound("Model version")
        return found

    def _locked_line(self, model_id: uuid.UUID) -> Model:
        model = self.repository.lock_model(model_id)
        if model is None:
            raise NotFound("Model")
        if model.mission_type is None:
            raise NotTrained(model_id)
        return model
