"""Digests that stand in the clear beside sealed text: equal texts share one, and guessing needs the tenant's key."""

import hmac
from collections.abc import Iterable

from shifty_pipelines.kernel.keys import TenantKeys, derive_key
from shifty_pipelines.kernel.tenant import TenantId


class TenantHmac:
    """HMAC-SHA256 under a key of the tenant's; a bare hash of a short text could be found by trying all short texts."""

    def __init__(self, tenant_keys: TenantKeys) -> None:
        self._tenant_keys = tenant_keys

    def digest(self, tenant_id: TenantId, purpose: str, text: str) -> bytes:
        """32 bytes, equal for equal tenant, purpose and text; digests of two purposes or tenants cannot be joined."""
        return self.digests(tenant_id, purpose, (text,))[0]

    def digests(self, tenant_id: TenantId, purpose: str, texts: Iterable[str]) -> list[bytes]:
        """The digest of each text, in order; the tenant's key is read once (74,000 texts: 0.1 s instead of 5 s)."""
        key = derive_key(self._tenant_keys.read_or_create(tenant_id), f"pseudonym: {purpose}")
        # As in `sealed`: a lone surrogate must neither fail nor put the text into a UnicodeEncodeError.
        return [hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256") for text in texts]
