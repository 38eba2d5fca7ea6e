"""The SQL of the leaderboards and of a tenant's figures.

A rank is one plus the size of one index range: (behind, reached_at, labeler) ascending, see the migration. Scores are
written in the transaction of the ledger rows they sum; a labeler who is on no board has no rows here.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from shifty_pipelines.contexts.arcade.domain.missions import MissionState, SlotState
from shifty_pipelines.contexts.arcade.models import LedgerEntry, Mission, Profile, Score, Slot, Work
from shifty_pipelines.kernel.repository import ScopedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """How one labeler's score on one board in one window moves."""

    labeler_id: uuid.UUID
    board: str
    starts_on: date
    by: float
    settled_count: int = 0
    right_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A labeler's place on a board: what it is ordered by."""

    labeler_id: uuid.UUID
    score: float
    reached_at: datetime


class BoardRepository(ScopedRepository):
    """Scores per board and window, and counts over periods, of one tenant."""

    # --------------------------------------------------------------------------------------------------------- writing

    def change_scores(self, changes: Iterable[ScoreChange], *, at: datetime) -> None:
        """Add to scores, none of them nothing; the labelers are locked (`GameRepository.locked_streaks`)."""
        rows = [
            {
                "tenant_id": self.tenant_id,
                "labeler_id": change.labeler_id,
                "board": change.board,
                "starts_on": change.starts_on,
                "score": change.by,
                "settled_count": change.settled_count,
                "right_count": change.right_count,
                "reached_at": at,
            }
            for change in changes
        ]
        if rows:
            self.session.execute(_CHANGE_SCORES, rows)

    def counts_on(self, board: str, labeler_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[int, int]]:
        """Right and settled answers that a board holds for these labelers."""
        statement = select(Score.labeler_id, Score.right_count, Score.settled_count).where(
            Score.tenant_id == self.tenant_id, Score.board == board, Score.labeler_id.in_(labeler_ids)
        )
        return {labeler_id: (right, settled) for labeler_id, right, settled in self.session.execute(statement)}

    def set_scores(self, places: Iterable[Place], *, board: str, starts_on: date) -> None:
        """Replace scores; their counts stay. The moment one was reached stays as well if the score is the same."""
        rows = [
            {
                "tenant_id": self.tenant_id,
                "labeler_id": place.labeler_id,
                "board": board,
                "starts_on": starts_on,
                "score": place.score,
                "settled_count": 0,
                "right_count": 0,
                "reached_at": place.reached_at,
            }
            for place in places
        ]
        if rows:
            self.session.execute(_SET_SCORES, rows)

    def forget_scores(self, labeler_id: uuid.UUID) -> None:
        """Take a labeler off every board, past ones too."""
        self.session.execute(delete(Score).where(Score.tenant_id == self.tenant_id, Score.labeler_id == labeler_id))

    def forget_windows(self, *, boards: Collection[str], before: date, limit: int) -> int:
        """Delete scores of windows that began before a day; returns how many."""
        old = (
            select(Score.labeler_id, Score.board, Score.starts_on)
            .where(Score.tenant_id == self.tenant_id, Score.board.in_(boards), Score.starts_on < before)
            .limit(limit)
        )
        key = func.row(Score.labeler_id, Score.board, Score.starts_on)
        deleted = self.session.execute(
            delete(Score).where(Score.tenant_id == self.tenant_id, key.in_(old)).returning(Score.labeler_id)
        )
        return len(deleted.all())

    def scored_days(self, labeler_id: uuid.UUID) -> list[tuple[date, int, int, int, datetime]]:
        """Per day that counts on boards: XP, settled and right answers of a labeler, and when the last came."""
        statement = (
            select(
                LedgerEntry.scored_on,
                func.sum(LedgerEntry.xp),
                func.sum(LedgerEntry.settled_count),
                func.sum(LedgerEntry.right_count),
                func.max(LedgerEntry.created_at),
            )
            .where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.labeler_id == labeler_id)
            .where(LedgerEntry.scored_on.is_not(None))
            .group_by(LedgerEntry.scored_on)
        )
        rows = self.session.execute(statement)
        return [(day, xp, settled, right, at) for day, xp, settled, right, at in rows if day is not None]

    # --------------------------------------------------------------------------------------------------------- reading

    def top(self, board: str, starts_on: date, *, limit: int, offset: int = 0) -> list[Place]:
        """The first places of a board."""
        order = (Score.behind, Score.reached_at, Score.labeler_id)
        return self._places(self._on(board, starts_on).order_by(*order).offset(offset).limit(limit))

    def place(self, board: str, starts_on: date, labeler_id: uuid.UUID) -> Place | None:
        """A labeler's place; None for who is not on the board."""
        found = self._places(self._on(board, starts_on).where(Score.labeler_id == labeler_id))
        return found[0] if found else None

    def rank(self, board: str, starts_on: date, place: Place) -> int:
        """A place's rank, from 1: how many are before it, counted over the index."""
        ahead = self._on(board, starts_on).where(_key() < _key_of(place)).with_only_columns(func.count())
        return (self.session.scalar(ahead) or 0) + 1

    def ahead(self, board: str, starts_on: date, place: Place, *, limit: int) -> list[Place]:
        """The places just before one, best first."""
        order = (Score.behind.desc(), Score.reached_at.desc(), Score.labeler_id.desc())
        statement = self._on(board, starts_on).where(_key() < _key_of(place)).order_by(*order).limit(limit)
        return self._places(statement)[::-1]

    def next_after(self, board: str, starts_on: date, place: Place, *, limit: int) -> list[Place]:
        """The places just after one, best first."""
        order = (Score.behind, Score.reached_at, Score.labeler_id)
        return self._places(self._on(board, starts_on).where(_key() > _key_of(place)).order_by(*order).limit(limit))

    def _on(self, board: str, starts_on: date) -> Select[uuid.UUID, float, datetime]:
        return select(Score.labeler_id, Score.score, Score.reached_at).where(
            Score.tenant_id == self.tenant_id, Score.board == board, Score.starts_on == starts_on, Score.score > 0
        )

    def _places(self, statement: Select[uuid.UUID, float, datetime]) -> list[Place]:
        return [
            Place(labeler_id=labeler_id, score=score, reached_at=reached_at)
            for labeler_id, score, reached_at in self.session.execute(statement)
        ]

    # --------------------------------------------------------------------------------------------------------- figures

    def count_profiles(self) -> int:
        """How many labelers there are."""
        return self._count(Profile.tenant_id == self.tenant_id)

    def count_active(self, start: datetime, end: datetime) -> int:
        """How many labelers worked in a period (its end is the first moment after)."""
        statement = select(func.count(Work.labeler_id.distinct())).where(
            Work.tenant_id == self.tenant_id, Work.occurred_at >= start, Work.occurred_at < end
        )
        return self.session.scalar(statement) or 0

    def count_settled(self, start: datetime, end: datetime) -> int:
        """How many missions were settled in a period."""
        return self._count(
            Mission.tenant_id == self.tenant_id,
            Mission.state == MissionState.SETTLED,
            Mission.settled_at >= start,
            Mission.settled_at < end,
        )

    def count_available(self, start: datetime, end: datetime, *, now: datetime) -> int:
        """How many missions that were made in a period still have an open slot."""
        is_timely = Mission.expires_at.is_(None) | (Mission.expires_at > now)
        return self._count(
            Mission.tenant_id == self.tenant_id,
            Mission.state == MissionState.OPEN,
            Mission.open_slots > 0,
            is_timely,
            Mission.created_at >= start,
            Mission.created_at < end,
        )

    def count_answers(self, start: datetime, end: datetime) -> int:
        """How many answers were given in a period and stand."""
        statement = (
            select(func.count(Slot.id))
            .join(Work, (Work.tenant_id == Slot.tenant_id) & (Work.id == Slot.id))
            .where(Slot.tenant_id == self.tenant_id, Slot.state == SlotState.COMPLETED)
            .where(Work.occurred_at >= start, Work.occurred_at < end)
        )
        return self.session.scalar(statement) or 0

    def answer_tally(self, first: date, last: date) -> tuple[int, int]:
        """Right and settled answers that count on the days from `first` to `last`."""
        statement = select(
            func.coalesce(func.sum(LedgerEntry.right_count), 0), func.coalesce(func.sum(LedgerEntry.settled_count), 0)
        ).where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.scored_on.between(first, last))
        right_count, settled_count = self.session.execute(statement).one()
        return right_count, settled_count

    def contributors(self, first: date, last: date, *, limit: int) -> list[tuple[uuid.UUID, int]]:
        """Who gave most right answers on these days, and how many; those who hide are not among them."""
        total = func.sum(LedgerEntry.right_count)
        statement = (
            select(LedgerEntry.labeler_id, total)
            .join(Profile, (Profile.tenant_id == LedgerEntry.tenant_id) & (Profile.id == LedgerEntry.labeler_id))
            .where(LedgerEntry.tenant_id == self.tenant_id, LedgerEntry.scored_on.between(first, last))
            .where(Profile.visibility != "hidden")
            .group_by(LedgerEntry.labeler_id)
            .having(total > 0)
            .order_by(total.desc(), func.max(LedgerEntry.created_at), LedgerEntry.labeler_id)
            .limit(limit)
        )
        return [(labeler_id, count) for labeler_id, count in self.session.execute(statement)]

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        # Every caller binds the tenant first; row-level security binds it again.
        return self.session.scalar(select(func.count()).where(*conditions)) or 0


def _changing() -> Insert:
    adding = insert(Score)
    return adding.on_conflict_do_update(
        index_elements=_SCORE_KEY,
        set_={
            "score": Score.score + adding.excluded.score,
            "settled_count": Score.settled_count + adding.excluded.settled_count,
            "right_count": Score.right_count + adding.excluded.right_count,
            "reached_at": adding.excluded.reached_at,
        },
    )


def _setting() -> Insert:
    setting = insert(Score)
    return setting.on_conflict_do_update(
        index_elements=_SCORE_KEY,
        set_={"score": setting.excluded.score, "reached_at": setting.excluded.reached_at},
        where=Score.score != setting.excluded.score,
    )


_SCORE_KEY = ("tenant_id", "labeler_id", "board", "starts_on")
# Built once: SQLAlchemy finds a statement that it has compiled before, whatever the number of rows.
_CHANGE_SCORES, _SET_SCORES = _changing(), _setting()


def _key() -> ColumnElement[object]:
    return func.row(Score.behind, Score.reached_at, Score.labeler_id)


def _key_of(place: Place) -> ColumnElement[object]:
    return func.row(-place.score, place.reached_at, place.labeler_id)
