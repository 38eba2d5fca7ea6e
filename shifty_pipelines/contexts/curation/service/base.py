"""What every story of curation needs."""

import uuid
from collections.abc import Sequence

from shifty_pipelines.contexts.curation.models import Item
from shifty_pipelines.contexts.curation.repository import CurationRepository
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.work import UnitOfWork


class CurationUseCases:
    """Shared by the stories; holds no state but the unit of work's, and what was read in it."""

    def __init__(self, work: UnitOfWork, keys: KeySlots, pseudonyms: TenantHmac) -> None:
        self.work = work
        self.keys = keys
        self.pseudonyms = pseudonyms
        self.repository = CurationRepository(work.scope)
        self._items: dict[uuid.UUID, Item] = {}
        # Those of a type with an open mission cannot change; settling and answering ask several times.
        self._labels: dict[str, Sequence[str]] = {}
