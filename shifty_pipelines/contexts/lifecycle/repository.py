"""All SQL of lifecycle."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import tuple_

from shifty_pipelines.contexts.lifecycle.models import DataAsset
from shifty_pipelines.kernel.repository import ScopedRepository


class LifecycleRepository(ScopedRepository):
    """The register of one tenant's data assets."""

    def asset(self, asset_id: uuid.UUID) -> DataAsset | None:
        """An asset by id."""
        return self.find(DataAsset, asset_id)

    def assets(self, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[DataAsset]:
        """Assets, newest first, from the one after `after` on."""
        statement = self.scoped(DataAsset).order_by(DataAsset.created_at.desc(), DataAsset.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(DataAsset.created_at, DataAsset.id) < tuple_(*after))
        return self.session.scalars(statement).all()
