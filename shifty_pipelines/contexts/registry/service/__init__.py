"""Use cases of the registry: models and versions, evaluations with their verdict, and which version serves."""

from shifty_pipelines.contexts.registry.service.evaluating import Evaluating
from shifty_pipelines.contexts.registry.service.registering import Registering
from shifty_pipelines.contexts.registry.service.serving import Serving


class RegistryService(Registering, Evaluating, Serving):
    """All use cases of the registry in one unit of work."""


__all__ = ["RegistryService"]
