"""Ids of imported things: the same in every run of the same file, and not to be guessed from a name or a text."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import TenantId


@dataclass(frozen=True, slots=True)
class ImportIds:
    """Of one tenant, source and mission type."""

    pseudonyms: TenantHmac
    tenant_id: TenantId
    source: str
    mission_type: str

    def external_ids(self, texts: Sequence[str]) -> list[str]:
        """For items that bring no id of their own: equal texts are one item."""
        digests = self._digests("imported item", f"{self.source}\0{self.mission_type}", texts)
        return [f"text-{digest.hex()[:32]}" for digest in digests]

    def labelers(self, names: Iterable[str]) -> Mapping[str, uuid.UUID]:
        """The labeler behind each name; the same name from another source is somebody else."""
        different = sorted(set(names))
        digests = self._digests("labeler", self.source, different)
        return {name: _uuid(digest) for name, digest in zip(different, digests, strict=True)}

    def label_events(self, labels: Sequence[tuple[uuid.UUID, uuid.UUID, str]]) -> list[uuid.UUID]:
        """One for each (item, labeler, label): a second import of it is the same event."""
        texts = [f"{item_id}\0{labeler_id}\0{label}" for item_id, labeler_id, label in labels]
        return [_uuid(digest) for digest in self._digests("label event", "import", texts)]

    def _digests(self, purpose: str, within: str, texts: Sequence[str]) -> list[bytes]:
        return self.pseudonyms.digests(self.tenant_id, purpose, (f"{within}\0{text}" for text in texts))


def _uuid(digest: bytes) -> uuid.UUID:
    """Version 5 says that a UUID was made from a name by a hash (RFC 9562); here the hash is a keyed one."""
    return uuid.UUID(bytes=digest[:16], version=5)
