"""All SQL of curation, one file per kind of row."""

from shifty_pipelines.contexts.curation.repository.datasets import DatasetRows
from shifty_pipelines.contexts.curation.repository.decisions import DecisionRows
from shifty_pipelines.contexts.curation.repository.imports import ImportRows
from shifty_pipelines.contexts.curation.repository.labels import LabelRows
from shifty_pipelines.kernel.repository import ScopedRepository


class CurationRepository(LabelRows, ImportRows, DecisionRows, DatasetRows, ScopedRepository):
    """Items, labels, decisions and datasets of one tenant."""
