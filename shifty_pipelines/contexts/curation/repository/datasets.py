"""Datasets, their versions, and the rows of versions."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, any_, exists, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as insert_or_leave

from shifty_pipelines.contexts.curation.domain.datasets import CandidateRow
from shifty_pipelines.contexts.curation.models import (
    ConsensusLabel,
    Dataset,
    DatasetRow,
    DatasetVersion,
    ItemGroup,
    ItemScrub,
    ItemSplit,
    LabelEvent,
)
from shifty_pipelines.kernel.repository import ScopedRepository

After = tuple[datetime, uuid.UUID] | None

#: Rows of one statement: six columns each, and PostgreSQL takes 65,535 parameters.
BLOCK = 5_000


class DatasetRows(ScopedRepository):
    """Datasets of one tenant."""

    def dataset(self, dataset_id: uuid.UUID) -> Dataset | None:
        """A dataset by id."""
        return self.find(Dataset, dataset_id)

    def lock_dataset(self, dataset_id: uuid.UUID) -> Dataset | None:
        """A dataset, locked: its versions follow one another."""
        return self.find_locked(Dataset, dataset_id)

    def dataset_named(self, mission_type: str, name: str) -> Dataset | None:
        """The dataset of a mission type by name."""
        return self.session.scalar(
            self.scoped(Dataset).where(Dataset.mission_type == mission_type, Dataset.name == name)
        )

    def datasets_of(self, mission_type: str) -> Sequence[Dataset]:
        """Every dataset of a mission type, in order of name."""
        statement = self.scoped(Dataset).where(Dataset.mission_type == mission_type).order_by(Dataset.name)
        return self.session.scalars(statement).all()

    def datasets(self, *, after: After, limit: int) -> Sequence[Dataset]:
        """Datasets, newest first."""
        statement = self.scoped(Dataset).order_by(Dataset.created_at.desc(), Dataset.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(Dataset.created_at, Dataset.id) < tuple_(*after))
        return self.session.scalars(statement).all()

    def add_dataset_once(self, dataset: Dataset) -> bool:
        """Insert a dataset unless its mission type has one of that name; whether it was inserted."""
        columns = {column.key: getattr(dataset, column.key) for column in Dataset.__mapper__.column_attrs}
        statement = insert_or_leave(Dataset).values(columns).on_conflict_do_nothing().returning(Dataset.id)
        return self.session.scalar(statement) is not None

    def current_version(self, dataset_id: uuid.UUID) -> DatasetVersion | None:
        """The version a dataset stands at."""
        return self.session.scalar(
            self.scoped(DatasetVersion).where(
                DatasetVersion.dataset_id == dataset_id, DatasetVersion.status == "current"
            )
        )

    def every_current_version(self) -> Sequence[DatasetVersion]:
        """The version each dataset stands at, in order of dataset."""
        statement = self.scoped(DatasetVersion).where(DatasetVersion.status == "current")
        return self.session.scalars(statement.order_by(DatasetVersion.dataset_id)).all()

    def version_named(self, dataset_id: uuid.UUID, version: str) -> DatasetVersion | None:
        """The version of a dataset with this content."""
        return self.session.scalar(
            self.scoped(DatasetVersion).where(
                DatasetVersion.dataset_id == dataset_id, DatasetVersion.version == version
            )
        )

    def version(self, version_id: uuid.UUID) -> DatasetVersion | None:
        """A version by id, freshly read."""
        statement = self.scoped(DatasetVersion).where(DatasetVersion.id == version_id)
        return self.session.scalar(statement, execution_options={"populate_existing": True})

    def current_versions(self, dataset_ids: Collection[uuid.UUID]) -> Sequence[DatasetVersion]:
        """The versions these datasets stand at."""
        statement = self.scoped(DatasetVersion).where(DatasetVersion.dataset_id.in_(dataset_ids))
        return self.session.scalars(statement.where(DatasetVersion.status == "current")).all()

    def versions(self, dataset_id: uuid.UUID, *, after: After, limit: int) -> Sequence[DatasetVersion]:
        """Versions of a dataset, newest first."""
        statement = self.scoped(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
        if after is not None:
            statement = statement.where(tuple_(DatasetVersion.created_at, DatasetVersion.id) < tuple_(*after))
        newest_first = statement.order_by(DatasetVersion.created_at.desc(), DatasetVersion.id.desc())
        return self.session.scalars(newest_first.limit(limit)).all()

    def supersede(self, dataset_id: uuid.UUID) -> None:
        """Let no version of a dataset be current."""
        self.session.execute(
            update(DatasetVersion)
            .where(
                DatasetVersion.tenant_id == self.tenant_id,
                DatasetVersion.dataset_id == dataset_id,
                DatasetVersion.status == "current",
            )
            .values(status="superseded")
        )

    def add_rows(self, version_id: uuid.UUID, rows: Sequence[CandidateRow]) -> None:
        """Insert the rows of a version with their lineage."""
        for start in range(0, len(rows), BLOCK):
            self.session.execute(
                insert(DatasetRow),
                [
                    {
                        "tenant_id": self.tenant_id,
                        "dataset_version_id": version_id,
                        "item_id": row.item_id,
                        "label": row.label,
                        "split": row.split,
                        "posterior": row.posterior,
                        "label_event_ids": list(row.label_event_ids),
                    }
                    for row in rows[start : start + BLOCK]
                ],
            )

    def rows(self, version_id: uuid.UUID, *, after: uuid.UUID | None, limit: int) -> Sequence[DatasetRow]:
        """Rows of a version in order of item id; the next page starts after the last one's item."""
        statement = (
            select(DatasetRow)
            .where(DatasetRow.tenant_id == self.tenant_id, DatasetRow.dataset_version_id == version_id)
            .order_by(DatasetRow.item_id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(DatasetRow.item_id > after)
        return self.session.scalars(statement).all()

    def placed(self, mission_type: str) -> Iterator[CandidateRow]:
        """Items of a mission type that are decided, kept, unique and placed, with lineage, in order of item id.

        A decision of which a counted label was taken back since is none until the next consensus.
        """
        statement = (
            select(
                ConsensusLabel.item_id,
                ConsensusLabel.label,
                ConsensusLabel.posterior,
                ConsensusLabel.label_count,
                ConsensusLabel.label_event_ids,
                ItemGroup.group_id,
                ItemSplit.split,
            )
            .join(ItemScrub, _same_item(ItemScrub))
            .join(ItemGroup, _same_item(ItemGroup))
            .join(ItemSplit, _same_item(ItemSplit))
            .where(
                ConsensusLabel.tenant_id == self.tenant_id,
                ConsensusLabel.mission_type == mission_type,
                ItemScrub.outcome == "kept",
                ItemGroup.outcome == "unique",
                func.cardinality(ConsensusLabel.label_event_ids) > 0,
                ~_is_shaken(),
            )
            .order_by(ConsensusLabel.item_id)
        )
        for item_id, label, posterior, label_count, event_ids, group_id, split in self.session.execute(statement):
            yield CandidateRow(
                item_id=item_id,
                label=label,
                posterior=posterior,
                label_count=label_count,
                group_id=group_id,
                split=split,
                label_event_ids=tuple(event_ids),
            )


def _same_item(model: type[ItemScrub | ItemGroup | ItemSplit]) -> ColumnElement[bool]:
    return and_(model.tenant_id == ConsensusLabel.tenant_id, model.item_id == ConsensusLabel.item_id)


def _is_shaken() -> ColumnElement[bool]:
    """A label that the decision counted was taken back since."""
    return exists().where(
        LabelEvent.tenant_id == ConsensusLabel.tenant_id,
        LabelEvent.item_id == ConsensusLabel.item_id,
        LabelEvent.tombstones == any_(ConsensusLabel.label_event_ids),
    )
