"""What every key slot adapter promises; one suite, run on files and on memory."""

import uuid
from pathlib import Path

import pytest

from shifty_pipelines.kernel.key_files import FileKeySlots
from shifty_pipelines.kernel.keys import KeyErased, KeySlotMissing, KeySlots, MemoryKeySlots
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
OTHER_TENANT = TenantId(uuid.UUID("22222222-2222-4222-8222-222222222222"))
INSTALLATION = uuid.UUID("99999999-9999-4999-8999-999999999999")


@pytest.fixture(params=["files", "memory"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> KeySlots:
    if request.param == "files":
        return FileKeySlots(tmp_path / "keys", tmp_path / "secrets", INSTALLATION)
    return MemoryKeySlots()


def test_slots_are_numbered_from_zero_without_gaps(keys: KeySlots) -> None:
    assert list(keys.allocate(TENANT)) == [0]
    assert list(keys.allocate(TENANT, 3)) == [1, 2, 3]
    assert keys.count(TENANT) == 4


def test_an_unused_tenant_has_no_slots(keys: KeySlots) -> None:
    assert keys.count(TENANT) == 0
    assert keys.erased(TENANT) == set()


def test_every_slot_has_its_own_256_bit_key_that_stays_the_same(keys: KeySlots) -> None:
    slots = keys.allocate(TENANT, 50)
    first = [keys.open(TENANT, slot) for slot in slots]
    assert {len(key) for key in first} == {32}
    assert len(set(first)) == 50
    assert [keys.open(TENANT, slot) for slot in slots] == first


def test_tenants_count_their_slots_apart_and_share_no_key(keys: KeySlots) -> None:
    keys.allocate(TENANT, 2)
    assert list(keys.allocate(OTHER_TENANT)) == [0]
    assert keys.open(TENANT, 0) != keys.open(OTHER_TENANT, 0)


@pytest.mark.parametrize("count", [0, -1])
def test_a_batch_of_no_slots_is_a_mistake(keys: KeySlots, count: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        keys.allocate(TENANT, count)


def test_an_erased_slot_cannot_be_opened_and_its_neighbours_can(keys: KeySlots) -> None:
    keys.allocate(TENANT, 3)
    neighbours = keys.open(TENANT, 0), keys.open(TENANT, 2)
    keys.erase(TENANT, [1])
    with pytest.raises(KeyErased) as refusal:
        keys.open(TENANT, 1)
    assert (refusal.value.status, refusal.value.code) == (410, "keys.erased")
    assert (keys.open(TENANT, 0), keys.open(TENANT, 2)) == neighbours
    assert keys.erased(TENANT) == {1}


def test_erasing_again_changes_nothing(keys: KeySlots) -> None:
    keys.allocate(TENANT, 3)
    keys.erase(TENANT, [1, 1])
    keys.erase(TENANT, iter([1, 2]))
    assert keys.erased(TENANT) == {1, 2}
    assert keys.count(TENANT) == 3


def test_the_number_of_an_erased_slot_is_not_given_again(keys: KeySlots) -> None:
    keys.allocate(TENANT, 2)
    keys.erase(TENANT, [0, 1])
    assert list(keys.allocate(TENANT)) == [2]


def test_erasing_in_one_tenant_leaves_the_others_alone(keys: KeySlots) -> None:
    keys.allocate(TENANT)
    keys.allocate(OTHER_TENANT)
    keys.erase(TENANT, [0])
    assert len(keys.open(OTHER_TENANT, 0)) == 32
    assert keys.erased(OTHER_TENANT) == set()


@pytest.mark.parametrize("slot", [2, -1, 10**12])
def test_a_slot_that_was_never_allocated_is_missing(keys: KeySlots, slot: int) -> None:
    keys.allocate(TENANT, 2)
    with pytest.raises(KeySlotMissing, match="has 2 key slots"):
        keys.open(TENANT, slot)


def test_a_tenant_without_any_slot_says_the_same(keys: KeySlots) -> None:
    with pytest.raises(KeySlotMissing, match="has 0 key slots"):
        keys.open(TENANT, 0)
    with pytest.raises(KeySlotMissing, match="has 0 key slots"):
        keys.erase(TENANT, [0])
    keys.erase(TENANT, [])


@pytest.mark.parametrize("slots", [[0, 2], [-1, 0]])
def test_an_erasure_that_names_a_missing_slot_erases_nothing(keys: KeySlots, slots: list[int]) -> None:
    keys.allocate(TENANT, 2)
    with pytest.raises(KeySlotMissing):
        keys.erase(TENANT, slots)
    assert keys.erased(TENANT) == set()
    assert len(keys.open(TENANT, 0)) == 32
