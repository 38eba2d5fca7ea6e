"""From decided items to placed rows: scrub spans, groups of equals and near equals, splits. No text is stored.

Cost: scrubbing opens each text once per version of the rules. Grouping opens every kept text of the mission type and
holds them in memory (2 KB a text: 200 MB for 100,000), since near duplicates are a relation over all of them.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shifty_pipelines.contexts.curation.domain.decisions import MIN_POSTERIOR, Equal, Standing, stand_for_equals
from shifty_pipelines.contexts.curation.domain.near_duplicates import find_near_duplicates, normalise
from shifty_pipelines.contexts.curation.domain.pii import Span, find_pii, scrub
from shifty_pipelines.contexts.curation.domain.splits import Left, Row, Split, plan_splits
from shifty_pipelines.contexts.curation.domain.splits import Standing as Place
from shifty_pipelines.contexts.curation.domain.texts import MAX_TEXT_CHARS, TEXT_VERSION, training_text
from shifty_pipelines.contexts.curation.models import Item, ItemScrub
from shifty_pipelines.contexts.curation.service.base import CurationUseCases
from shifty_pipelines.contexts.curation.service.deciding import Figures
from shifty_pipelines.contexts.curation.service.labelling import opened_payload
from shifty_pipelines.kernel.pseudonyms import TenantHmac

#: Texts opened at a time.
BLOCK = 500

#: What the keyed digest of a text is for: finding equal texts within a tenant without keeping them.
TEXT_PURPOSE = "curation text"
SALT_PURPOSE = "curation splits"


class Preparing(CurationUseCases):
    """Texts scrubbed, equals grouped, rows placed, for one mission type at a time."""

    def scrub_texts(self, mission_type: str) -> Figures:
        """Find what must be blanked in every decided item's text that was not looked at under these rules."""
        self.repository.lock_pipeline(mission_type)
        waiting = self.repository.items_to_scrub(mission_type, TEXT_VERSION)
        span_count = 0
        for start in range(0, len(waiting), BLOCK):
            rows = [self._scrubbed(item) for item in self.repository.items(waiting[start : start + BLOCK])]
            self.repository.put_scrubs(rows)
            span_count += sum(len(row["spans"]) for row in rows)
        scrubs = self.repository.scrubs(mission_type)
        outcomes = [found.outcome for found in scrubs]
        return {
            "rows": len(scrubs),
            "new": len(waiting),
            "new_spans": span_count,
            "kept": outcomes.count("kept"),
            "blank": outcomes.count("blank"),
            "too_long": outcomes.count("too_long"),
            "erased": outcomes.count("erased"),
        }

    def group_items(self, mission_type: str) -> Figures:
        """Find equal and nearly equal texts, and which item stands for its equals."""
        self.repository.lock_pipeline(mission_type)
        decided = {
            found.item_id: found.label
            for found in self.repository.decisions(mission_type)
            if found.posterior >= MIN_POSTERIOR
        }
        scrubs = [found for found in self.repository.scrubs(mission_type) if found.outcome == "kept"]
        texts = dict(self.clean_texts(scrubs))
        kept = [found for found in scrubs if found.item_id in texts]
        near = find_near_duplicates([texts[found.item_id] for found in kept])
        standing = stand_for_equals(
            [Equal(item_id=f.item_id, digest=f.text_hmac or b"", label=decided.get(f.item_id)) for f in kept]
        )
        now = self.work.clock.now()
        rows = [
            {
                "item_id": found.item_id,
                "mission_type": mission_type,
                "group_id": kept[int(root)].item_id,
                "outcome": standing[found.item_id][0].value,
                "duplicate_of": standing[found.item_id][1],
                "grouped_at": now,
            }
            for found, root in zip(kept, near.group, strict=True)
        ]
        self.repository.put_groups(mission_type, rows)
        outcomes = [row["outcome"] for row in rows]
        return {
            "rows": outcomes.count(Standing.UNIQUE.value),
            "groups": len({row["group_id"] for row in rows}),
            "duplicates": outcomes.count(Standing.DUPLICATE.value),
            "contradicting": outcomes.count(Standing.CONTRADICTING.value),
            "near_duplicate_pairs": len(near.edges),
        }

    def place_items(self, mission_type: str) -> Figures:
        """Give every decided, kept and unique item its split, for ever; a group never stands in two."""
        self.repository.lock_pipeline(mission_type)
        decided = {found.item_id: found for found in self.repository.decisions(mission_type)}
        least = min([MIN_POSTERIOR, *(found.min_posterior for found in self.repository.datasets_of(mission_type))])
        groups = [found for found in self.repository.groups(mission_type) if found.item_id in decided]
        unique = [
            found
            for found in groups
            if found.outcome == Standing.UNIQUE.value and decided[found.item_id].posterior >= least
        ]
        history = {str(found.item_id): _place(found.split) for found in self.repository.splits(mission_type)}
        # Who served once and does not now (another stands for it, or it lost its label) still ties its group to its
        # split: a text that was trained on must not come back as a test row under another id.
        serving = {found.item_id for found in unique}
        served = [found for found in groups if str(found.item_id) in history and found.item_id not in serving]
        rows = [Row(row_id=str(f.item_id), label=decided[f.item_id].label) for f in (*unique, *served)]
        edges = [(str(found.item_id), str(found.group_id)) for found in (*unique, *served)]
        plan = plan_splits(rows, edges, history=history, salt=self._salt(mission_type))
        now = self.work.clock.now()
        moved = [row_id for row_id, place in plan.items() if history.get(row_id) != place]
        self.repository.put_splits(
            [
                {
                    "item_id": uuid.UUID(row_id),
                    "mission_type": mission_type,
                    "split": plan[row_id].value,
                    "placed_at": now,
                }
                for row_id in moved
            ]
        )
        places = [plan[str(item_id)] for item_id in serving]
        figures: dict[str, int | float] = {place.value: places.count(place) for place in Split}
        return {"rows": len(places) - places.count(Left.BRIDGED), "moved": len(moved), **figures} | {
            "bridged": places.count(Left.BRIDGED)
        }

    def clean_texts(self, scrubs: Sequence[ItemScrub]) -> Iterator[tuple[uuid.UUID, str]]:
        """The scrubbed texts of these items, in the order given; items erased since are left out."""
        for start in range(0, len(scrubs), BLOCK):
            block = scrubs[start : start + BLOCK]
            items = {item.id: item for item in self.repository.items([found.item_id for found in block])}
            for found in block:
                payload = self._payload(items[found.item_id])
                if payload is not None:
                    yield found.item_id, scrub(training_text(payload), _spans(found.spans))

    def _scrubbed(self, item: Item) -> dict[str, Any]:
        payload = self._payload(item)
        text = "" if payload is None else training_text(payload)
        spans = find_pii(text) if len(text) <= MAX_TEXT_CHARS else []
        clean = scrub(text, spans)
        outcome = _outcome(payload, clean)
        digest = self.pseudonyms.digest(self.work.tenant_id, TEXT_PURPOSE, normalise(clean))
        return {
            "item_id": item.id,
            "mission_type": item.mission_type,
            "text_version": TEXT_VERSION,
            "outcome": outcome,
            "spans": [[span.start, span.end, span.kind] for span in spans],
            "char_count": len(clean),
            "text_hmac": digest if outcome == "kept" else None,
            "scrubbed_at": self.work.clock.now(),
        }

    def _payload(self, item: Item) -> Mapping[str, Any] | None:
        return opened_payload(self.keys, self.work.tenant_id, item)

    def _salt(self, mission_type: str) -> bytes:
        pseudonyms: TenantHmac = self.pseudonyms
        return pseudonyms.digest(self.work.tenant_id, SALT_PURPOSE, mission_type)


def _outcome(payload: Mapping[str, Any] | None, clean: str) -> str:
    if payload is None:
        return "erased"
    if len(clean) > MAX_TEXT_CHARS:
        return "too_long"
    return "kept" if clean else "blank"


def _spans(stored: Sequence[Sequence[Any]]) -> list[Span]:
    return [Span(start=start, end=end, kind=kind) for start, end, kind in stored]


def _place(name: str) -> Place:
    return Left(name) if name in set(Left) else Split(name)
