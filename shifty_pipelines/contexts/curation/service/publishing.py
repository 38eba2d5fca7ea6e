"""Datasets: recipes, the rows they take, and versions named by their content."""

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shifty_pipelines.contexts.curation.domain.dataset_cards import Card
from shifty_pipelines.contexts.curation.domain.datasets import (
    DEFAULT_NAME,
    DEFAULT_TRAINING_THRESHOLD,
    CandidateRow,
    Recipe,
    Waterfall,
    select_rows,
)
from shifty_pipelines.contexts.curation.domain.decisions import Standing
from shifty_pipelines.contexts.curation.errors import DatasetExists
from shifty_pipelines.contexts.curation.events import DatasetPublished
from shifty_pipelines.contexts.curation.models import Dataset, DatasetRow, DatasetVersion
from shifty_pipelines.contexts.curation.repository.datasets import After
from shifty_pipelines.contexts.curation.service.deciding import Deciding
from shifty_pipelines.contexts.curation.service.preparing import Preparing
from shifty_pipelines.kernel.errors import NotFound

VERSION_PURPOSE = "curation dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What a version is made of: its rows with lineage, its card, and where its bytes lie."""

    dataset: Dataset
    version: str
    labels: tuple[str, ...]
    rows: Sequence[CandidateRow]
    card: Card
    data_asset_id: uuid.UUID
    key_slot: int


class Publishing(Deciding, Preparing):
    """Datasets of the tenant and their versions."""

    # --------------------------------------------------------------------------------------------------------- recipes

    def add_dataset(self, recipe: Recipe) -> Dataset:
        """Name a recipe over a mission type.

        Raises:
            DatasetExists: the mission type has one of that name.
        """
        dataset = self._new_dataset(recipe)
        if not self.repository.add_dataset_once(dataset):
            raise DatasetExists(recipe.mission_type, recipe.name)
        self.work.audit.record("dataset.created", "dataset", dataset.id, mission_type=recipe.mission_type)
        return self.dataset(dataset.id)

    def dataset(self, dataset_id: uuid.UUID) -> Dataset:
        """A dataset.

        Raises:
            NotFound: none by that id in this tenant.
        """
        found = self.repository.dataset(dataset_id)
        if found is None:
            raise NotFound("Dataset")
        return found

    def datasets(self, *, after: After, limit: int) -> Sequence[Dataset]:
        """Datasets, newest first; the next page starts after the last one's `(created_at, id)`."""
        return self.repository.datasets(after=after, limit=limit)

    def datasets_of(self, mission_type: str) -> Sequence[Dataset]:
        """Every dataset of a mission type; the default one is made if it is missing."""
        if self.repository.dataset_named(mission_type, DEFAULT_NAME) is None:
            recipe = Recipe(mission_type=mission_type, train_after_new_labels=DEFAULT_TRAINING_THRESHOLD)
            self.repository.add_dataset_once(self._new_dataset(recipe))
        return self.repository.datasets_of(mission_type)

    # -------------------------------------------------------------------------------------------------------- versions

    def rows_of(self, dataset: Dataset) -> list[CandidateRow]:
        """The rows a dataset takes now, with the label events that made their labels, in order of item id."""
        self.repository.lock_pipeline(dataset.mission_type)
        return select_rows(self.repository.placed(dataset.mission_type), min_posterior=dataset.min_posterior)

    def texts_of(self, mission_type: str, rows: Sequence[CandidateRow]) -> Iterator[tuple[CandidateRow, str]]:
        """Each row with its scrubbed text, in the order given; rows whose item was erased are left out."""
        scrubs = {found.item_id: found for found in self.repository.scrubs(mission_type)}
        row_of = {row.item_id: row for row in rows}
        for item_id, text in self.clean_texts([scrubs[row.item_id] for row in rows if row.item_id in scrubs]):
            yield row_of[item_id], text

    def version_name(self, content: str) -> str:
        """The name of a version with this content digest; keyed, since a bare hash of a short text can be guessed."""
        return f"ds_{self.pseudonyms.digest(self.work.tenant_id, VERSION_PURPOSE, content).hex()}"

    def version_named(self, dataset_id: uuid.UUID, version: str) -> DatasetVersion | None:
        """The version of a dataset with this content, if there was one before."""
        return self.repository.version_named(dataset_id, version)

    def make_current(self, version: DatasetVersion) -> None:
        """Let an earlier version of the same content be the current one again; harmless when it is."""
        self.repository.supersede(version.dataset_id)
        version.status = "current"
        self.work.audit.record("dataset.version_restored", "dataset_version", version.id)

    def add_version(self, new: NewVersion) -> DatasetVersion:
        """Add a version with its rows and lineage; it is the current one from now on."""
        self.repository.lock_dataset(new.dataset.id)
        self.repository.supersede(new.dataset.id)
        version = DatasetVersion(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            dataset_id=new.dataset.id,
            version=new.version,
            status="current",
            labels=list(new.labels),
            row_count=len(new.rows),
            label_count=self.repository.label_events_read(new.dataset.mission_type),
            data_asset_id=new.data_asset_id,
            key_slot=new.key_slot,
            card=new.card.as_json(),
            created_at=self.work.clock.now(),
        )
        self.repository.add(version)
        self.repository.add_rows(version.id, new.rows)
        self.work.audit.record(
            "dataset.published", "dataset_version", version.id, dataset=str(new.dataset.id), rows=len(new.rows)
        )
        self.work.outbox.publish(
            DatasetPublished(
                dataset_id=new.dataset.id,
                dataset_version_id=version.id,
                mission_type=new.dataset.mission_type,
                row_count=len(new.rows),
            )
        )
        return version

    def current_version(self, dataset_id: uuid.UUID) -> DatasetVersion | None:
        """The version a dataset stands at; None if it was never materialised.

        Raises:
            NotFound: no such dataset in this tenant.
        """
        self.dataset(dataset_id)
        return self.repository.current_version(dataset_id)

    def every_current_version(self) -> Sequence[DatasetVersion]:
        """The version that each dataset of the tenant stands at, in order of dataset."""
        return self.repository.every_current_version()

    def version(self, version_id: uuid.UUID) -> DatasetVersion:
        """A version.

        Raises:
            NotFound: none by that id in this tenant.
        """
        found = self.repository.version(version_id)
        if found is None:
            raise NotFound("Dataset version")
        return found

    def version_of(self, dataset_id: uuid.UUID, version_id: uuid.UUID) -> DatasetVersion:
        """A version of this dataset.

        Raises:
            NotFound: no such dataset in this tenant, or no such version of it.
        """
        self.dataset(dataset_id)
        found = self.version(version_id)
        if found.dataset_id != dataset_id:
            raise NotFound("Dataset version")
        return found

    def current_versions(self, dataset_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, DatasetVersion]:
        """The versions these datasets stand at, by dataset; those never materialised are missing."""
        return {found.dataset_id: found for found in self.repository.current_versions(dataset_ids)}

    def versions(self, dataset_id: uuid.UUID, *, after: After = None, limit: int) -> Sequence[DatasetVersion]:
        """Versions of a dataset, newest first; the next page starts after the last one's `(created_at, id)`.

        Raises:
            NotFound: no such dataset in this tenant.
        """
        self.dataset(dataset_id)
        return self.repository.versions(dataset_id, after=after, limit=limit)

    def version_rows(self, version_id: uuid.UUID, *, after: uuid.UUID | None, limit: int) -> Sequence[DatasetRow]:
        """Rows of a version with their lineage, in order of item id; no text.

        Raises:
            NotFound: no such version in this tenant.
        """
        self.version(version_id)
        return self.repository.rows(version_id, after=after, limit=limit)

    def waterfall(self, mission_type: str, *, min_posterior: float) -> Waterfall:
        """How many items of a mission type are left after each step."""
        decisions = self.repository.decisions(mission_type)
        decided = {found.item_id for found in decisions if found.posterior >= min_posterior}
        # Grouped is what was kept and could still be opened.
        kept = [found for found in self.repository.groups(mission_type) if found.item_id in decided]
        return Waterfall(
            items=self.repository.item_count(mission_type),
            labelled=len(decisions),
            decided=len(decided),
            kept=len(kept),
            unique=sum(found.outcome == Standing.UNIQUE for found in kept),
        )

    def replaced_identifiers(self, mission_type: str, item_ids: frozenset[uuid.UUID]) -> Mapping[str, int]:
        """How many identifiers of each kind were blanked in these items, in order of kind."""
        kinds = Counter(
            kind
            for found in self.repository.scrubs(mission_type)
            if found.item_id in item_ids
            for _, _, kind in found.spans
        )
        return dict(sorted(kinds.items()))

    # -------------------------------------------------------------------------------------------------------- training

    def claim_training(self, version_id: uuid.UUID) -> bool:
        """Whether a new version has enough new labels to be trained on; asked again for the same labels, it has not."""
        version = self.version(version_id)
        dataset = self.repository.lock_dataset(version.dataset_id)
        assert dataset is not None  # noqa: S101  # versions belong to datasets
        threshold = dataset.train_after_new_labels
        if threshold is None or version.label_count - dataset.labels_at_last_training < threshold:
            return False
        dataset.labels_at_last_training = version.label_count
        return True

    def label_backlog(self) -> Mapping[str, tuple[int, int]]:
        """Label events per mission type, and after how many new ones its datasets want to be made anew."""
        counts = self.repository.label_event_counts()
        backlog: dict[str, tuple[int, int]] = {}
        for mission_type, count in counts.items():
            asked = {found.name: found.train_after_new_labels for found in self.repository.datasets_of(mission_type)}
            # The default dataset is made with the first curation; until then it asks for one all the same.
            asked.setdefault(DEFAULT_NAME, DEFAULT_TRAINING_THRESHOLD)
            thresholds = [threshold for threshold in asked.values() if threshold is not None]
            if thresholds:
                backlog[mission_type] = (count, min(thresholds))
        return backlog

    def _new_dataset(self, recipe: Recipe) -> Dataset:
        return Dataset(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            mission_type=recipe.mission_type,
            name=recipe.name,
            description=recipe.description,
            min_posterior=recipe.min_posterior,
            train_after_new_labels=recipe.train_after_new_labels,
            labels_at_last_training=0,
            created_at=self.work.clock.now(),
            created_by=self.work.actor.user_id,
        )
