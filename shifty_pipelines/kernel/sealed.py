"""Free text from outside, encrypted so that erasing its key slot erases every copy of it.

A text is sealed once, under a slot of its own, and handed on as it is; nothing here logs or shows a text or a key.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.tenant import TenantId

NONCE_BYTES = 12  # random; NIST SP 800-38D allows 2^32 of them under one key, and a slot seals one text and its notes

# Lone surrogates arrive in JSON ("\ud800"); sealing must give back exactly what came, and never fail on a text,
# because a UnicodeEncodeError carries the text in it.
UNICODE_ERRORS = "surrogatepass"


class SealBroken(ShiftyError):
    """The ciphertext does not belong to this tenant and slot, or it was altered."""

    status = 500
    code = "sealed.broken"

    def __init__(self, tenant_id: TenantId, slot: int) -> None:
        super().__init__(
            f"A text sealed under key slot {slot} of tenant {tenant_id} does not open with that key: it was altered, "
            "or it belongs to another slot or tenant. Restore its row from a backup.",
            slot=slot,
        )


@dataclass(frozen=True, slots=True)
class SealedText:
    """A text under its own slot: nonce, AES-256-GCM ciphertext, tag."""

    slot: int
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LayeredText:
    """A text under several existing slots, the first one innermost; erasing any of them erases it."""

    slots: tuple[int, ...]
    ciphertext: bytes = field(repr=False)


def seal(keys: KeySlots, tenant_id: TenantId, text: str) -> SealedText:
    """The text under a new slot; the slot is durable before this returns."""
    return seal_many(keys, tenant_id, (text,))[0]


def seal_many(keys: KeySlots, tenant_id: TenantId, texts: Sequence[str]) -> list[SealedText]:
    """Every text under a new slot of its own, in the order given; one batch of slots, so one fsync."""
    if not texts:
        return []
    slots = keys.allocate(tenant_id, len(texts))
    return [
        SealedText(slot, _encrypt(keys.open(tenant_id, slot), _encoded(text), _one_slot(tenant_id, slot)))
        for slot, text in zip(slots, texts, strict=True)
    ]


def open_sealed(keys: KeySlots, tenant_id: TenantId, sealed: SealedText) -> str:
    """The text.

    Raises:
        KeyErased: its slot was erased.
        SealBroken: altered, or of another tenant or slot.
    """
    key = keys.open(tenant_id, sealed.slot)
    try:
        return _decoded(_decrypt(key, sealed.ciphertext, _one_slot(tenant_id, sealed.slot)))
    except InvalidTag:
        raise SealBroken(tenant_id, sealed.slot) from None


def seal_under(keys: KeySlots, tenant_id: TenantId, text: str, *, slots: tuple[int, ...]) -> LayeredText:
    """The text in one layer per slot, e.g. a note under its labeler's slot, then its item's.

    Raises:
        KeyErased: one of the slots was erased already.
    """
    if not slots:
        raise ValueError("a text must be sealed under at least one slot")
    sealed = _encoded(text)
    for depth, slot in enumerate(slots):
        sealed = _encrypt(keys.open(tenant_id, slot), sealed, _layer(tenant_id, slots, depth))
    return LayeredText(slots, sealed)


def open_under(keys: KeySlots, tenant_id: TenantId, layered: LayeredText) -> str:
    """The text.

    Raises:
        KeyErased: one of its slots was erased.
        SealBroken: altered, or of another tenant or other slots.
    """
    opened = layered.ciphertext
    for depth, slot in reversed(tuple(enumerate(layered.slots))):
        key = keys.open(tenant_id, slot)
        try:
            opened = _decrypt(key, opened, _layer(tenant_id, layered.slots, depth))
        except InvalidTag:
            raise SealBroken(tenant_id, slot) from None
    return _decoded(opened)


def _encrypt(key: bytes, content: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound_to)


def _decrypt(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    if len(sealed) < NONCE_BYTES:
        raise InvalidTag
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)


def _one_slot(tenant_id: TenantId, slot: int) -> bytes:
    return tenant_id.bytes + slot.to_bytes(8, "big")


def _layer(tenant_id: TenantId, slots: tuple[int, ...], depth: int) -> bytes:
    """Binds a layer to its place in the whole pile; longer than `_one_slot`, so neither passes for the other."""
    return tenant_id.bytes + b"".join(slot.to_bytes(8, "big") for slot in slots) + depth.to_bytes(1, "big")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", UNICODE_ERRORS)


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", UNICODE_ERRORS)
