"""What happened in lifecycle."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRegistered(Event):
    """An asset is stored and in the register."""

    type: ClassVar[str] = "lifecycle.asset_registered"
    asset_id: uuid.UUID
    asset_type: str
    classification: str
    size_bytes: int
