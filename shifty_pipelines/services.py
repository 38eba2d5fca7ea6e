"""The map of the system on one screen: one typed field per context."""

from dataclasses import dataclass

from shifty_pipelines.contexts.arcade.service import ArcadeService
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.contexts.feedback.service import FeedbackService
from shifty_pipelines.contexts.integrations.service import IntegrationsService
from shifty_pipelines.contexts.lifecycle.service import LifecycleService
from shifty_pipelines.contexts.registry.service import RegistryService
from shifty_pipelines.contexts.tenancy.service import TenancyService
from shifty_pipelines.contexts.training.service import TrainingService
from shifty_pipelines.kernel.work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every context's use cases inside one unit of work."""

    work: UnitOfWork
    tenancy: TenancyService
    arcade: ArcadeService
    curation: CurationService
    feedback: FeedbackService
    lifecycle: LifecycleService
    training: TrainingService
    registry: RegistryService
    integrations: IntegrationsService
