import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from shifty_pipelines.kernel.key_files import FileKeySlots
from shifty_pipelines.kernel.keys import KeyErased, KeySlotMissing, MemoryKeySlots
from shifty_pipelines.kernel.sealed import (
    LayeredText,
    SealBroken,
    SealedText,
    open_sealed,
    open_under,
    seal,
    seal_many,
    seal_under,
)
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
OTHER_TENANT = TenantId(uuid.UUID("22222222-2222-4222-8222-222222222222"))

ANY_TEXT = st.text(st.characters(exclude_categories=()))
LONE_SURROGATE = "\ud800"  # JSON may carry one


@pytest.fixture
def keys() -> MemoryKeySlots:
    return MemoryKeySlots()


@given(text=ANY_TEXT)
@example(text=LONE_SURROGATE)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    keys = MemoryKeySlots()
    assert open_sealed(keys, TENANT, seal(keys, TENANT, text)) == text


@given(texts=st.lists(ANY_TEXT, max_size=8))
def test_every_text_of_a_batch_has_a_slot_of_its_own_in_order(texts: list[str]) -> None:
    keys = MemoryKeySlots()
    sealed = seal_many(keys, TENANT, texts)
    assert [entry.slot for entry in sealed] == list(range(len(texts)))
    assert [open_sealed(keys, TENANT, entry) for entry in sealed] == texts


@given(text=ANY_TEXT, depth=st.integers(1, 4))
@example(text=LONE_SURROGATE, depth=2)
def test_a_layered_text_comes_back_as_it_was(text: str, depth: int) -> None:
    keys = MemoryKeySlots()
    slots = tuple(keys.allocate(TENANT, depth))
    assert open_under(keys, TENANT, seal_under(keys, TENANT, text, slots=slots)) == text


def test_a_sealed_text_opens_by_hand_with_nothing_but_the_documented_format(keys: MemoryKeySlots) -> None:
    sealed = seal_many(keys, TENANT, ["first", "Schlüssel 🔑"])[1]
    nonce, ciphertext = sealed.ciphertext[:12], sealed.ciphertext[12:]
    opened = AESGCM(keys.open(TENANT, 1)).decrypt(nonce, ciphertext, TENANT.bytes + (1).to_bytes(8, "big"))
    assert opened == "Schlüssel 🔑".encode()


def test_equal_texts_look_different(keys: MemoryKeySlots) -> None:
    assert len({sealed.ciphertext for sealed in seal_many(keys, TENANT, ["timeout"] * 20)}) == 20
    [slot] = keys.allocate(TENANT)
    assert len({seal_under(keys, TENANT, "timeout", slots=(slot,)).ciphertext for _ in range(20)}) == 20


def test_a_batch_of_texts_costs_one_batch_of_slots() -> None:
    batches: list[int] = []

    class CountingKeySlots(MemoryKeySlots):
        def allocate(self, tenant_id: TenantId, count: int = 1) -> range:
            batches.append(count)
            return super().allocate(tenant_id, count)

    keys = CountingKeySlots()
    assert seal_many(keys, TENANT, []) == []
    seal_many(keys, TENANT, ["a", "b", "c"])
    assert batches == [3]


def test_another_tenant_cannot_open_it(keys: MemoryKeySlots) -> None:
    sealed = seal(keys, TENANT, "ours")
    with pytest.raises(KeySlotMissing):
        open_sealed(keys, OTHER_TENANT, sealed)
    keys.allocate(OTHER_TENANT)
    with pytest.raises(SealBroken):
        open_sealed(keys, OTHER_TENANT, sealed)


class SharedKey(MemoryKeySlots):
    """Every slot of every tenant opens with one key, so that only what a text is bound to tells places apart."""

    def open(self, tenant_id: TenantId, slot: int) -> bytes:
        super().open(tenant_id, slot)
        return b"k" * 32


def test_even_under_an_equal_key_a_text_opens_only_in_its_tenant_and_slot() -> None:
    keys = SharedKey()
    sealed = seal(keys, TENANT, "ours")
    keys.allocate(TENANT)
    keys.allocate(OTHER_TENANT)
    with pytest.raises(SealBroken):
        open_sealed(keys, OTHER_TENANT, sealed)
    with pytest.raises(SealBroken):
        open_sealed(keys, TENANT, replace(sealed, slot=1))


def test_even_under_an_equal_key_layers_open_only_in_their_order() -> None:
    keys = SharedKey()
    keys.allocate(TENANT, 3)
    layered = seal_under(keys, TENANT, "note", slots=(0, 1))
    for slots in ((1, 0), (0, 2), (0,), (1,), (0, 0), (0, 1, 2)):
        with pytest.raises(SealBroken):
            open_under(keys, TENANT, LayeredText(slots, layered.ciphertext))
    one_layer = seal_under(keys, TENANT, "note", slots=(0,))
    with pytest.raises(SealBroken):
        open_sealed(keys, TENANT, SealedText(0, one_layer.ciphertext))


def test_a_changed_or_shortened_ciphertext_is_refused_without_a_word_of_the_text(keys: MemoryKeySlots) -> None:
    sealed = seal(keys, TENANT, "kumquat")
    damaged = [
        *(
            sealed.ciphertext[:i] + bytes([byte ^ 1]) + sealed.ciphertext[i + 1 :]
            for i, byte in enumerate(sealed.ciphertext)
        ),
        *(sealed.ciphertext[:i] for i in range(len(sealed.ciphertext))),
        sealed.ciphertext + b"\0",
    ]
    for ciphertext in damaged:
        with pytest.raises(SealBroken) as refusal:
            open_sealed(keys, TENANT, SealedText(0, ciphertext))
        assert "kumquat" not in f"{refusal.value!r}{refusal.value.details}"
        assert refusal.value.__suppress_context__


def test_erasing_its_slot_ends_every_copy_of_a_text(keys: MemoryKeySlots) -> None:
    sealed, neighbour = seal_many(keys, TENANT, ["gone", "stays"])
    copy = SealedText(sealed.slot, bytes(sealed.ciphertext))
    keys.erase(TENANT, [sealed.slot])
    for entry in (sealed, copy):
        with pytest.raises(KeyErased):
            open_sealed(keys, TENANT, entry)
    assert open_sealed(keys, TENANT, neighbour) == "stays"


@pytest.mark.parametrize("erased", [0, 1], ids=["the labeler's slot", "the item's slot"])
def test_erasing_either_slot_ends_a_note(keys: MemoryKeySlots, erased: int) -> None:
    keys.allocate(TENANT, 2)
    note = seal_under(keys, TENANT, "note", slots=(0, 1))
    keys.erase(TENANT, [erased])
    with pytest.raises(KeyErased):
        open_under(keys, TENANT, note)
    with pytest.raises(KeyErased):
        seal_under(keys, TENANT, "another note", slots=(0, 1))


@pytest.mark.parametrize("kept", [0, 1])
def test_no_single_key_opens_a_note(keys: MemoryKeySlots, kept: int) -> None:
    keys.allocate(TENANT, 2)
    note = seal_under(keys, TENANT, "note", slots=(0, 1))
    with pytest.raises(SealBroken):
        open_under(keys, TENANT, LayeredText((kept,), note.ciphertext))


def test_a_text_under_no_slot_would_be_no_seal(keys: MemoryKeySlots) -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        seal_under(keys, TENANT, "note", slots=())


def test_ciphertext_stays_out_of_logs(keys: MemoryKeySlots) -> None:
    assert repr(seal(keys, TENANT, "kumquat")) == "SealedText(slot=0)"
    assert repr(seal_under(keys, TENANT, "kumquat", slots=(0,))) == "LayeredText(slots=(0,))"


def test_a_canary_stands_in_no_file_of_the_home(tmp_path: Path) -> None:
    keys = FileKeySlots(tmp_path / "keys", tmp_path / "secrets", uuid.UUID(int=9))
    sealed = seal_many(keys, TENANT, ["kumquat"] * 10)
    layered = seal_under(keys, TENANT, "kumquat", slots=(0, 1))
    (tmp_path / "row").write_bytes(b"".join(entry.ciphertext for entry in sealed) + layered.ciphertext)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert [path for path in files if b"kumquat" in path.read_bytes()] == []
