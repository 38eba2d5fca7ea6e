"""Use cases of integrations, one file per story: endpoints and their secrets, deliveries and their log, sending."""

from shifty_pipelines.contexts.integrations.service.deliveries import Deliveries
from shifty_pipelines.contexts.integrations.service.endpoints import Endpoints
from shifty_pipelines.contexts.integrations.service.sending import Sending


class IntegrationsService(Endpoints, Deliveries, Sending):
    """Webhooks of the unit of work's tenant."""
