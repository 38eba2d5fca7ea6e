"""What every story of curation needs."""

from shifty_pipelines.contexts.curation.repository import CurationRepository
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.work import UnitOfWork


class CurationUseCases:
    """Shared by the stories; holds no state but the unit of work's."""

    def __init__(self, work: UnitOfWork, keys: KeySlots, pseudonyms: TenantHmac) -> None:
        self.work = work
        self.keys = keys
        self.pseudonyms = pseudonyms
        self.repository = CurationRepository(work.scope)
