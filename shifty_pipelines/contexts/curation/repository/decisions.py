"""Votes as the aggregators read them, and the decisions about items: consensus, scrubs, groups, splits, verdicts."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Table,
    Uuid,
    all_,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import aliased

from shifty_pipelines.contexts.curation.domain.decisions import DECLARED, Basis, Decision, Ruling
from shifty_pipelines.contexts.curation.domain.votes import RawVote
from shifty_pipelines.contexts.curation.models import (
    ConsensusLabel,
    ConsensusReading,
    ExpectationVerdict,
    Item,
    ItemGroup,
    ItemScrub,
    ItemSplit,
    LabelerSkill,
    LabelEvent,
    LabelSet,
)
from shifty_pipelines.kernel.repository import ScopedRepository

#: Rows of one statement; PostgreSQL takes 65,535 parameters, and the widest table here has eleven columns.
BLOCK = 2_000
#: Rows fetched at a time while reading what may be long.
FETCH = 5_000

Columns = Mapping[str, Any]


class DecisionRows(ScopedRepository):
    """What is decided about the items of one tenant, by item id; no text."""

    def lock_pipeline(self, mission_type: str) -> None:
        """Let one materialisation of this tenant and mission type work at a time, until the transaction ends."""
        key = func.hashtextextended(f"curation {self.tenant_id} {mission_type}", 0)
        self.session.execute(select(func.pg_advisory_xact_lock(key)))

    def mission_types(self) -> Sequence[str]:
        """Mission types with a label set and at least one label event, in order of name."""
        labelled = exists().where(
            Item.tenant_id == LabelEvent.tenant_id,
            LabelEvent.item_id == Item.id,
            Item.tenant_id == self.tenant_id,
            Item.mission_type == LabelSet.mission_type,
        )
        statement = select(LabelSet.mission_type).where(LabelSet.tenant_id == self.tenant_id, labelled)
        return self.session.scalars(statement.order_by(LabelSet.mission_type)).all()

    def label_event_counts(self) -> Mapping[str, int]:
        """Label events ever written per mission type, tombstones included: a number that only grows."""
        statement = (
            select(Item.mission_type, func.count().label("events"))
            .join(LabelEvent, and_(LabelEvent.tenant_id == Item.tenant_id, LabelEvent.item_id == Item.id))
            .where(Item.tenant_id == self.tenant_id)
            .group_by(Item.mission_type)
        )
        return {found.mission_type: found.events for found in self.session.execute(statement)}

    def item_count(self, mission_type: str) -> int:
        """Items of a mission type."""
        statement = select(func.count()).where(Item.tenant_id == self.tenant_id, Item.mission_type == mission_type)
        return self.session.scalar(statement) or 0

    # ----------------------------------------------------------------------------------------------------------- votes

    def votes(self, mission_type: str) -> Iterator[tuple[RawVote, uuid.UUID]]:
        """The crowd's labels that count, with their events: not taken back, no adjudication, no declared source."""
        statement = (
            select(LabelEvent.item_id, LabelEvent.labeler_id, LabelEvent.label, LabelEvent.id)
            .join(Item, _own_item())
            .where(LabelEvent.tenant_id == self.tenant_id, Item.mission_type == mission_type, _is_live())
            .where(LabelEvent.source != "adjudication", self._declared_accuracy(mission_type).is_(None))
        )
        found = self.session.execute(statement, execution_options={"yield_per": FETCH})
        for item_id, labeler_id, label, event_id in found:
            yield (str(item_id), str(labeler_id), str(label)), event_id

    def rulings(self, mission_type: str, labels: Collection[str]) -> list[Ruling]:
        """Answers that stand above the crowd, in the order in which they were given, those of the label set only."""
        accuracy = self._declared_accuracy(mission_type)
        statement = (
            select(LabelEvent.item_id, LabelEvent.id, LabelEvent.label, LabelEvent.source, accuracy)
            .join(Item, _own_item())
            .where(LabelEvent.tenant_id == self.tenant_id, Item.mission_type == mission_type, _is_live())
            .where(or_(LabelEvent.source == "adjudication", accuracy.is_not(None)))
            .order_by(LabelEvent.created_at, LabelEvent.id)
        )
        return [
            Ruling(
                item_id=item_id,
                label_event_id=event_id,
                label=label,
                posterior=1.0 if source == "adjudication" else declared,
                basis=Basis.ADJUDICATION if source == "adjudication" else Basis.DECLARED,
            )
            for item_id, event_id, label, source, declared in self.session.execute(statement)
            if label is not None and label in labels
        ]

    def _declared_accuracy(self, mission_type: str) -> ScalarSelect[float]:
        return (
            select(LabelerSkill.accuracy)
            .where(
                LabelerSkill.tenant_id == self.tenant_id,
                LabelerSkill.labeler_id == LabelEvent.labeler_id,
                LabelerSkill.mission_type == mission_type,
                LabelerSkill.algorithm == DECLARED.name,
            )
            .scalar_subquery()
        )

    # ------------------------------------------------------------------------------------------------------- decisions

    def put_skills(self, rows: Sequence[Columns]) -> None:
        """Store what a refit says of labelers; a declared skill stays as it was declared."""
        self._upsert(
            LabelerSkill,
            rows,
            key=("labeler_id", "mission_type"),
            stamp="updated_at",
            unless=LabelerSkill.algorithm == DECLARED.name,
        )

    def declare_skill(self, labeler_id: uuid.UUID, mission_type: str, *, accuracy: float, at: datetime) -> bool:
        """Let a labeler count as this accurate whatever a refit says; whether that is new."""
        row = {
            "labeler_id": labeler_id,
            "mission_type": mission_type,
            "accuracy": accuracy,
            "algorithm": DECLARED.name,
            "algorithm_version": DECLARED.version,
            "updated_at": at,
        }
        return bool(self._upsert(LabelerSkill, [row], key=("labeler_id", "mission_type"), stamp="updated_at"))

    def put_decisions(
        self,
        mission_type: str,
        decisions: Sequence[Decision],
        lineage: Mapping[uuid.UUID, Sequence[uuid.UUID]],
        *,
        at: datetime,
    ) -> int:
        """Store the decisions of a mission type, with the label events counted, in place of the earlier ones.

        Returns:
            how many changed.
        """
        rows = [
            {
                "item_id": decision.item_id,
                "mission_type": mission_type,
                "label": decision.label,
                "posterior": decision.posterior,
                "label_count": decision.label_count,
                "basis": decision.basis.value,
                "algorithm": decision.algorithm.name,
                "algorithm_version": decision.algorithm.version,
                "decided_at": at,
                "label_event_ids": list(lineage[decision.item_id]),
            }
            for decision in decisions
        ]
        self._forget_others(ConsensusLabel, mission_type, [decision.item_id for decision in decisions])
        return self._upsert(ConsensusLabel, rows, key=("item_id",), stamp="decided_at")

    def put_reading(self, mission_type: str, label_event_count: int, *, at: datetime) -> None:
        """Store how many label events a consensus saw, in place of what the one before saw."""
        row = {"mission_type": mission_type, "label_event_count": label_event_count, "read_at": at}
        self._upsert(ConsensusReading, [row], key=("mission_type",), stamp="read_at")

    def label_events_read(self, mission_type: str) -> int:
        """Label events that the last consensus of a mission type saw; 0 before the first."""
        statement = select(ConsensusReading.label_event_count).where(
            ConsensusReading.tenant_id == self.tenant_id, ConsensusReading.mission_type == mission_type
        )
        return self.session.scalar(statement) or 0

    def decisions(self, mission_type: str) -> Sequence[ConsensusLabel]:
        """Every decision of a mission type, in order of item id."""
        statement = (
            select(ConsensusLabel)
            .where(ConsensusLabel.tenant_id == self.tenant_id, ConsensusLabel.mission_type == mission_type)
            .order_by(ConsensusLabel.item_id)
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def items_to_scrub(self, mission_type: str, text_version: int) -> Sequence[uuid.UUID]:
        """Decided items whose text has not been looked at under this version of the rules, in order of id."""
        done = exists().where(
            ItemScrub.tenant_id == self.tenant_id,
            ItemScrub.item_id == ConsensusLabel.item_id,
            ItemScrub.text_version == text_version,
        )
        statement = (
            select(ConsensusLabel.item_id)
            .where(ConsensusLabel.tenant_id == self.tenant_id, ConsensusLabel.mission_type == mission_type, ~done)
            .order_by(ConsensusLabel.item_id)
        )
        return self.session.scalars(statement).all()

    def put_scrubs(self, rows: Sequence[Columns]) -> None:
        """Store where texts must be blanked."""
        self._upsert(ItemScrub, rows, key=("item_id",))

    def scrubs(self, mission_type: str) -> Sequence[ItemScrub]:
        """Scrubs of the decided items of a mission type, oldest item first."""
        statement = (
            select(ItemScrub)
            .join(Item, and_(Item.tenant_id == ItemScrub.tenant_id, Item.id == ItemScrub.item_id))
            .join(
                ConsensusLabel,
                and_(
                    ConsensusLabel.tenant_id == ItemScrub.tenant_id,
                    ConsensusLabel.item_id == ItemScrub.item_id,
                ),
            )
            .where(ItemScrub.tenant_id == self.tenant_id, ItemScrub.mission_type == mission_type)
            .order_by(Item.created_at, Item.id)
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def put_groups(self, mission_type: str, rows: Sequence[Columns]) -> None:
        """Store the groups of a mission type in place of the earlier ones."""
        self._forget_others(ItemGroup, mission_type, [row["item_id"] for row in rows])
        self._upsert(ItemGroup, rows, key=("item_id",), stamp="grouped_at")

    def groups(self, mission_type: str) -> Sequence[ItemGroup]:
        """Groups of the items of a mission type, in order of item id."""
        statement = (
            select(ItemGroup)
            .where(ItemGroup.tenant_id == self.tenant_id, ItemGroup.mission_type == mission_type)
            .order_by(ItemGroup.item_id)
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def splits(self, mission_type: str) -> Sequence[ItemSplit]:
        """Where the items of a mission type serve, or served, in order of item id."""
        statement = (
            select(ItemSplit)
            .where(ItemSplit.tenant_id == self.tenant_id, ItemSplit.mission_type == mission_type)
            .order_by(ItemSplit.item_id)
        )
        return self.session.scalars(statement, execution_options={"populate_existing": True}).all()

    def put_splits(self, rows: Sequence[Columns]) -> None:
        """Store standings: the first for ever, unless a bridge moves it (then `moved_at` says when)."""
        statement = insert(ItemSplit.__table__)  # type: ignore[arg-type]
        upsert = statement.on_conflict_do_update(
            index_elements=[ItemSplit.tenant_id, ItemSplit.item_id],
            set_={"split": statement.excluded.split, "moved_at": statement.excluded.placed_at},
            where=ItemSplit.split != statement.excluded.split,
        )
        for block in _blocks(rows):
            self.session.execute(upsert, [{"tenant_id": self.tenant_id, **row} for row in block])

    # -------------------------------------------------------------------------------------------------------- verdicts

    def put_verdicts(self, mission_type: str, asset: str, rows: Sequence[Columns]) -> None:
        """Store how the rows of an asset stand, in place of what was said of it before."""
        self.forget_verdicts(mission_type, [asset])
        self._upsert(ExpectationVerdict, rows, key=("mission_type", "asset", "expectation"))

    def forget_verdicts(self, mission_type: str, assets: Collection[str]) -> None:
        """Let nobody have judged these assets' rows of a mission type."""
        self.session.execute(
            delete(ExpectationVerdict).where(
                ExpectationVerdict.tenant_id == self.tenant_id,
                ExpectationVerdict.mission_type == mission_type,
                ExpectationVerdict.asset.in_(assets),
            )
        )

    def passed_expectations(self) -> Mapping[str, Collection[tuple[str, str]]]:
        """Assets and names of the expectations that hold, per mission type."""
        statement = select(
            ExpectationVerdict.mission_type, ExpectationVerdict.asset, ExpectationVerdict.expectation
        ).where(ExpectationVerdict.tenant_id == self.tenant_id, ExpectationVerdict.passed)
        passed: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for mission_type, asset, expectation in self.session.execute(statement):
            passed[mission_type].add((asset, expectation))
        return passed

    def verdicts(self) -> Sequence[ExpectationVerdict]:
        """Every verdict as it last stood."""
        statement = select(ExpectationVerdict).where(ExpectationVerdict.tenant_id == self.tenant_id)
        return self.session.scalars(statement.order_by(ExpectationVerdict.mission_type)).all()

    # ------------------------------------------------------------------------------------------------------ statements

    def _forget_others(self, model: type[ConsensusLabel | ItemGroup], mission_type: str, kept: list[uuid.UUID]) -> None:
        """Delete the mission type's rows of items that are not among `kept`; one array, however many there are."""
        self.session.execute(
            delete(model).where(
                model.tenant_id == self.tenant_id,
                model.mission_type == mission_type,
                model.item_id != all_(_array(kept)),
            )
        )

    def _upsert(
        self,
        model: Any,
        rows: Sequence[Columns],
        *,
        key: tuple[str, ...],
        stamp: str | None = None,
        unless: ColumnElement[bool] | None = None,
    ) -> int:
        """Insert or replace rows; a row that says the same but for its time stamp is left as it is."""
        if not rows:
            return 0
        table: Table = model.__table__
        statement = insert(table)
        set_ = {name: statement.excluded[name] for name in rows[0] if name not in key}
        differs = or_(*(table.c[name].is_distinct_from(statement.excluded[name]) for name in set_ if name != stamp))
        upsert = statement.on_conflict_do_update(
            index_elements=["tenant_id", *key],
            set_=set_,
            where=differs if unless is None else and_(differs, ~unless),
        ).returning(table.c.tenant_id)
        # Rows beside the statement, not in it: it is compiled once, whatever their number.
        return sum(
            len(self.session.execute(upsert, [{"tenant_id": self.tenant_id, **row} for row in block]).all())
            for block in _blocks(rows)
        )


def _own_item() -> ColumnElement[bool]:
    return and_(Item.tenant_id == LabelEvent.tenant_id, Item.id == LabelEvent.item_id)


def _is_live() -> ColumnElement[bool]:
    """A label that nobody took back."""
    tombstone = aliased(LabelEvent)
    dead = exists().where(tombstone.tenant_id == LabelEvent.tenant_id, tombstone.tombstones == LabelEvent.id)
    return and_(LabelEvent.kind == "label", ~dead)


def _array(ids: Collection[uuid.UUID]) -> ColumnElement[Any]:
    """One parameter, however many ids."""
    return literal(list(ids), ARRAY(Uuid()))


def _blocks(rows: Sequence[Columns]) -> Iterator[Sequence[Columns]]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]
