"""The rows of an asset against its expectations: verdicts are stored, and stop their mission type until they pass."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shifty_pipelines.contexts.curation.domain.decisions import MIN_POSTERIOR, MONOTONE_LABELS, Standing
from shifty_pipelines.contexts.curation.domain.pii import find_pii
from shifty_pipelines.contexts.curation.domain.splits import Left, Split
from shifty_pipelines.contexts.curation.errors import NothingToCurate
from shifty_pipelines.contexts.curation.expectations import MOST_NAMED, SEVERAL, SUITES, Columns, Verdict, validate
from shifty_pipelines.contexts.curation.service.deciding import Deciding
from shifty_pipelines.contexts.curation.service.preparing import Preparing

#: The assets in their order; each may use only mission types whose rows were judged and passed in all before it.
ASSETS = ("labels", "consensus_labels", "scrubbed_items", "unique_items", "splits", "datasets")


class Checking(Deciding, Preparing):
    """Verdicts about one mission type at a time."""

    def open_types(self, asset: str) -> Sequence[str]:
        """Mission types that have labels and passed every expectation before `asset`, in order of name."""
        demanded = {
            (before, found.name)
            for before in ASSETS[: ASSETS.index(asset)]
            for found in SUITES[before]
            if found.is_blocking
        }
        passed = self.repository.passed_expectations()
        return [found for found in self.repository.mission_types() if demanded <= set(passed.get(found, ()))]

    def types_for(self, asset: str) -> Sequence[str]:
        """The same, where there is at least one.

        Raises:
            NothingToCurate: no mission type may go on; names those that checks stopped.
        """
        found = self.open_types(asset)
        if not found:
            raise NothingToCurate(self.repository.mission_types())
        return found

    def may_go_on(self, asset: str, mission_type: str) -> bool:
        """Whether a mission type has still passed everything before `asset`; that stands until the transaction ends.

        Whoever asked earlier, in another transaction, may have been overtaken by a run that made rows anew.
        """
        self.repository.lock_pipeline(mission_type)
        return mission_type in self.open_types(asset)

    def begin(self, asset: str, mission_type: str) -> None:
        """The asset is about to be made anew: what was said of its rows, and of those made of them, is no longer so.

        Nobody judges or publishes the mission type's rows from here until the transaction ends.
        """
        self.repository.lock_pipeline(mission_type)
        self.repository.forget_verdicts(mission_type, ASSETS[ASSETS.index(asset) :])

    def check(self, asset: str, mission_type: str) -> Sequence[Verdict]:
        """Judge the rows of an asset and store the verdicts, while nobody makes them anew."""
        self.repository.lock_pipeline(mission_type)
        rows = self._frames[asset](mission_type)
        verdicts = validate(asset, rows, self.label_set_of(mission_type))
        now = self.work.clock.now()
        self.repository.put_verdicts(
            mission_type,
            asset,
            [
                {
                    "mission_type": mission_type,
                    "asset": asset,
                    "expectation": verdict.expectation.name,
                    "passed": verdict.passed,
                    "is_blocking": verdict.expectation.is_blocking,
                    "row_count": verdict.row_count,
                    "failing_count": verdict.failing_count,
                    "failing_items": list(verdict.offenders[:MOST_NAMED]),
                    "checked_at": now,
                }
                for verdict in verdicts
            ],
        )
        return verdicts

    @property
    def _frames(self) -> Mapping[str, Callable[[str], Columns]]:
        return {
            "labels": self._label_rows,
            "consensus_labels": self._decision_rows,
            "scrubbed_items": self._scrub_rows,
            "unique_items": self._group_rows,
            "splits": self._split_rows,
        }

    def _label_rows(self, mission_type: str) -> Columns:
        labels = self.label_set_of(mission_type)
        votes = [vote for vote, _ in self.repository.votes(mission_type) if vote[2] in labels]
        ruled = [ruling.item_id for ruling in self.repository.rulings(mission_type, labels)]
        given = defaultdict[str, Counter[str]](Counter)
        for _, labeler, label in votes:
            given[labeler][label] += 1
        # Few labels that are all the same say nothing of their labeler, nor does a lead's ruling.
        told = {who: len(counts) if counts.total() >= MONOTONE_LABELS else SEVERAL for who, counts in given.items()}
        return {
            "item_id": [*(uuid.UUID(item) for item, _, _ in votes), *ruled],
            "labeler_id": [*(uuid.UUID(labeler) for _, labeler, _ in votes), *(None for _ in ruled)],
            "labels_of_labeler": [*(told[labeler] for _, labeler, _ in votes), *(SEVERAL for _ in ruled)],
        }

    def _decision_rows(self, mission_type: str) -> Columns:
        found = self.repository.decisions(mission_type)
        return {
            "item_id": [row.item_id for row in found],
            "label": [row.label for row in found],
            "posterior": [row.posterior for row in found],
            "label_count": [row.label_count for row in found],
            "decided_label": [row.label if row.posterior >= MIN_POSTERIOR else None for row in found],
        }

    def _scrub_rows(self, mission_type: str) -> Columns:
        found = self.repository.scrubs(mission_type)
        kept = [row for row in found if row.outcome == "kept"]
        left = {item_id: (len(find_pii(text)), len(text)) for item_id, text in self.clean_texts(kept)}
        return {
            "item_id": [row.item_id for row in found],
            # Items that are not kept, or were erased since, have no text that could hold anything.
            "identifiers_left": [left.get(row.item_id, (0, 0))[0] for row in found],
            "char_count": [left[row.item_id][1] if row.item_id in left else 1 for row in found],
            "is_kept": [float(row.item_id in left) for row in found],
        }

    def _group_rows(self, mission_type: str) -> Columns:
        digests = {row.item_id: row.text_hmac for row in self.repository.scrubs(mission_type)}
        found = self.repository.groups(mission_type)
        unique = [_hex(digests.get(row.item_id)) if row.outcome == Standing.UNIQUE else None for row in found]
        copies = Counter(unique)
        return {
            "item_id": [row.item_id for row in found],
            "unique_digest": unique,
            "copies": [1 if digest is None else copies[digest] for digest in unique],
            "is_contradicting": [float(row.outcome == Standing.CONTRADICTING) for row in found],
        }

    def _split_rows(self, mission_type: str) -> Columns:
        found = [row for row in self.repository.placed(mission_type) if row.split != Left.BRIDGED]
        splits_of = defaultdict[Any, set[str]](set)
        for row in found:
            splits_of[row.group_id].add(row.split)
        return {
            "item_id": [row.item_id for row in found],
            "split": [row.split for row in found],
            "splits_of_group": [len(splits_of[row.group_id]) for row in found],
            "train_label": [row.label if row.split == Split.TRAIN else None for row in found],
        }


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
