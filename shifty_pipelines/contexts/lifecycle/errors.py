"""What lifecycle refuses, and why."""

import uuid

from shifty_pipelines.kernel.errors import Conflict, InvalidValue


class AssetNotStored(Conflict):
    """The asset is registered, but its bytes lie outside the asset store."""

    code = "lifecycle.asset_not_stored"

    def __init__(self, asset_id: uuid.UUID, storage_location: str) -> None:
        super().__init__(
            f"Asset {asset_id} is only registered here, its bytes are not in the asset store. "
            f"Read it at {storage_location}.",
            storageLocation=storage_location,
        )


class InvalidAssetText(InvalidValue):
    """A name, tag or piece of metadata is empty, too long, or holds what a database text cannot."""

    code = "lifecycle.invalid_text"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(field, value, f"{expected}, without NUL and lone surrogates")
