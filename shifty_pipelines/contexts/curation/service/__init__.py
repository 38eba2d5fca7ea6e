"""Use cases of curation, one file per story: labelling, importing, deciding, preparing texts, checking, datasets.

Each step of the pipeline handles one mission type, is one transaction, and may be repeated: it replaces what it said
before, and says the same of the same labels.
"""

from shifty_pipelines.contexts.curation.service.checking import Checking
from shifty_pipelines.contexts.curation.service.importing import Importing
from shifty_pipelines.contexts.curation.service.labelling import Labelling
from shifty_pipelines.contexts.curation.service.publishing import Publishing


class CurationService(Labelling, Importing, Checking, Publishing):
    """Items, labels, decisions and datasets in the unit of work's tenant."""
