"""Datasets of a tenant without a materialisation: versions written straight through the services."""

import io
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.curation.domain.dataset_cards import Card
from shifty_pipelines.contexts.curation.domain.datasets import CandidateRow, Recipe, Waterfall
from shifty_pipelines.contexts.curation.service.publishing import NewVersion
from shifty_pipelines.contexts.lifecycle.domain import AssetType, Classification, NewAsset
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.services import Services
from tests.crowd import LABELS, TYPE, add_item, label

SPLITS = ("train", "validation", "test")


@dataclass
class DatasetShelf:
    """One tenant's datasets."""

    platform: Platform
    tenant_id: TenantId

    def published(self, rows: int = 3) -> tuple[str, str]:
        """A dataset with one version; the ids of both."""
        with self.platform.open(system_actor(self.tenant_id)) as services:
            dataset = services.curation.add_dataset(Recipe(mission_type=TYPE, name=secrets.token_hex(4)))
        return str(dataset.id), self.version(dataset.id, rows=rows)

    def version(self, dataset_id: uuid.UUID, *, rows: int = 3) -> str:
        """A new current version of as many rows, each resting on one label."""
        with self.platform.open(system_actor(self.tenant_id)) as services:
            made = _labelled_rows(services, rows)
            new = NewAsset(name="rows", type=AssetType.DATASET, classification=Classification.CONFIDENTIAL)
            asset = services.lifecycle.store_asset(new, io.BytesIO(b"rows"))
            assert asset.key_slot is not None
            version = services.curation.add_version(
                NewVersion(
                    dataset=services.curation.dataset(dataset_id),
                    version=f"ds_{secrets.token_hex(32)}",
                    labels=LABELS,
                    rows=made,
                    card=_card(made),
                    data_asset_id=asset.id,
                    key_slot=asset.key_slot,
                )
            )
            return str(version.id)


def _labelled_rows(services: Services, count: int) -> list[CandidateRow]:
    services.curation.set_labels(TYPE, LABELS)
    made = []
    for number in range(count):
        item_id = add_item(services.curation, {"text": "zugspitze"})
        events = label(services.curation, item_id, LABELS[number % 3], labelers=[uuid.UUID(int=1)])
        made.append(
            CandidateRow(
                item_id=item_id,
                label=LABELS[number % 3],
                posterior=0.95,
                label_count=1,
                group_id=item_id,
                split=SPLITS[number % 3],
                label_event_ids=tuple(events),
            )
        )
    return made


def _card(rows: Sequence[CandidateRow]) -> Card:
    count = len(rows)
    return Card(
        mission_type=TYPE,
        min_posterior=0.9,
        rows=rows,
        waterfall=Waterfall(items=count, labelled=count, decided=count, kept=count, unique=count),
        agreement={},
        replaced_identifiers={},
    )
