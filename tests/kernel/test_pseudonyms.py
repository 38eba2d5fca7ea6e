import hmac
import uuid

from shifty_pipelines.kernel.keys import MemoryTenantKeys
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
OTHER_TENANT = TenantId(uuid.UUID("22222222-2222-4222-8222-222222222222"))


def test_a_digest_is_hmac_sha256_under_an_hkdf_key_of_its_purpose() -> None:
    tenant_keys = MemoryTenantKeys()
    # RFC 5869: extract with an empty salt, then the first block of expand
    pseudorandom = hmac.digest(b"\0" * 32, tenant_keys.read_or_create(TENANT), "sha256")
    key = hmac.digest(pseudorandom, b"pseudonym: item text\x01", "sha256")
    expected = hmac.digest(key, "Füße 👣".encode(), "sha256")
    assert TenantHmac(tenant_keys).digest(TENANT, "item text", "Füße 👣") == expected


def test_digests_of_two_tenants_or_purposes_cannot_be_joined() -> None:
    digests = TenantHmac(MemoryTenantKeys())
    cases = [(TENANT, "item"), (OTHER_TENANT, "item"), (TENANT, "note")]
    assert len({digests.digest(tenant_id, purpose, "timeout") for tenant_id, purpose in cases}) == 3


def test_a_lone_surrogate_has_a_digest_too() -> None:
    digests = TenantHmac(MemoryTenantKeys())
    assert digests.digest(TENANT, "item", "\ud800") == digests.digest(TENANT, "item", "\ud800")


def test_many_digests_are_those_of_each_text_alone() -> None:
    pseudonyms = TenantHmac(MemoryTenantKeys())
    texts = ["a", "", "\ud800", "a"]
    alone = [pseudonyms.digest(TENANT, "test", text) for text in texts]
    assert pseudonyms.digests(TENANT, "test", texts) == alone
    assert pseudonyms.digests(TENANT, "test", []) == []
