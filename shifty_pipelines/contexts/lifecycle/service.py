"""Use cases of lifecycle: storing assets with their entry in the register, and reading both."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from shifty_pipelines.contexts.lifecycle.domain import AssetStatus, NewAsset
from shifty_pipelines.contexts.lifecycle.errors import AssetNotStored
from shifty_pipelines.contexts.lifecycle.events import AssetRegistered
from shifty_pipelines.contexts.lifecycle.models import DataAsset
from shifty_pipelines.contexts.lifecycle.repository import LifecycleRepository
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.store import AssetStore, StoredAsset
from shifty_pipelines.kernel.work import UnitOfWork


class LifecycleService:
    """Data assets of the unit of work's tenant."""

    def __init__(self, work: UnitOfWork, store: AssetStore) -> None:
        self.work = work
        self.store = store
        self.repository = LifecycleRepository(work.scope)

    def store_asset(self, new: NewAsset, source: BinaryIO) -> DataAsset:
        """Store what `source` still holds, encrypted under a key slot of its own, and register it.

        The object is durable before its entry commits, never the other way round. If this unit of work does not commit,
        the object stays behind, harmless: encrypted, under a name nobody else is given, and opened by nobody. It is
        found as a name that `AssetStore.list` knows and no `storage_location` does; one that is being registered right
        now looks the same, so only what is found twice, longer apart than a unit of work lasts, may be removed.
        """
        asset_id = self.work.ids.new()
        stored = self.store.put(self.work.tenant_id, f"{new.type.value}/{asset_id}", source)
        asset = self._new_entry(asset_id, new, stored)
        self.repository.add(asset)
        self.work.audit.record(
            "asset.registered", "data_asset", asset_id, type=asset.type, classification=asset.classification
        )
        self.work.outbox.publish(
            AssetRegistered(
                asset_id=asset_id,
                asset_type=asset.type,
                classification=asset.classification,
                size_bytes=asset.size_bytes,
            )
        )
        return asset

    def open_asset(self, asset_id: uuid.UUID) -> BinaryIO:
        """The asset's content as a stream that cannot be sought; close it.

        Raises:
            NotFound: none by that id in this tenant.
            AssetNotStored: it is registered, but lies outside the asset store.
            KeyErased: its key was erased.
            AssetBroken: while reading: what is stored was altered or cut short.
        """
        asset = self.get(asset_id)
        if asset.key_slot is None:
            raise AssetNotStored(asset_id, asset.storage_location)
        return self.store.open(self.work.tenant_id, asset.storage_location, asset.key_slot)

    def get(self, asset_id: uuid.UUID) -> DataAsset:
        """An asset's entry.

        Raises:
            NotFound: none by that id in this tenant.
        """
        asset = self.repository.asset(asset_id)
        if asset is None:
            raise NotFound("Data asset")
        return asset

    def list(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[DataAsset]:
        """Assets, newest first; the next page starts after the last one's `(created_at, id)`."""
        return self.repository.assets(after=after, limit=limit)

    def _new_entry(self, asset_id: uuid.UUID, new: NewAsset, stored: StoredAsset) -> DataAsset:
        now = self.work.clock.now()
        return DataAsset(
            tenant_id=self.work.tenant_id,
            id=asset_id,
            type=new.type.value,
            name=new.name,
            classification=new.classification.value,
            status=AssetStatus.ACTIVE.value,
            storage_location=stored.name,
            size_bytes=stored.size_bytes,
            checksum=stored.sha256,
            key_slot=stored.key_slot,
            asset_metadata=dict(new.metadata),
            tags=list(new.tags),
            created_by=self.work.actor.user_id,
            created_at=now,
            updated_at=now,
        )
