"""Where ids come from, as a port."""

import uuid
from typing import Protocol


class IdSource(Protocol):
    """Gives ids that were never given before."""

    def new(self) -> uuid.UUID:
        """A fresh UUID. Version 4: outsiders see ids, which must not tell when or in which order rows were made."""
        ...


class RandomIds:
    """UUID version 4 (RFC 9562) from the operating system's random source."""

    def new(self) -> uuid.UUID:
        """A fresh random UUID."""
        return uuid.uuid4()
