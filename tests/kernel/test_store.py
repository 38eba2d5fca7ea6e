import errno
import hashlib
import hmac
import io
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.kernel.keys import KeyErased, KeySlotMissing, MemoryKeySlots
from shifty_pipelines.kernel.store import AssetBroken, AssetExists, AssetMissing, AssetStore, StoredAsset
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
OTHER_TENANT = TenantId(uuid.UUID("22222222-2222-4222-8222-222222222222"))
INSTALLATION = uuid.UUID("99999999-9999-4999-8999-999999999999")
MIB = 1 << 20

# Tink's streaming format (AES256-GCM-HKDF, 1 MiB): a header of 40 bytes, then segments of 1 MiB with a tag of 16 each;
# the header counts into the first segment.
HEADER_BYTES = 40
TAG_BYTES = 16


@pytest.fixture
def keys() -> MemoryKeySlots:
    return MemoryKeySlots()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, keys: MemoryKeySlots) -> AssetStore:
    if request.param == "local":
        return AssetStore(str(tmp_path / "assets"), keys)
    return AssetStore(f"memory://{uuid.uuid4()}", keys)  # fsspec's memory stands for the remote services


@pytest.fixture
def local(tmp_path: Path, keys: MemoryKeySlots) -> AssetStore:
    return AssetStore(str(tmp_path / "assets"), keys)


def some_bytes(size_bytes: int) -> bytes:
    """Unlike in every segment, and the same in every run."""
    return hashlib.shake_128(b"store").digest(size_bytes)


def path_of(tmp_path: Path, name: str) -> Path:
    return tmp_path / "assets" / str(TENANT) / name


def reread(store: AssetStore, asset: StoredAsset) -> bytes:
    with store.open(TENANT, asset.name, asset.key_slot) as stream:
        return stream.read()


# ---------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("size_bytes", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB])
def test_what_was_stored_comes_back(store: AssetStore, size_bytes: int) -> None:
    content = some_bytes(size_bytes)
    asset = store.put(TENANT, "datasets/rows.bin", io.BytesIO(content))
    assert reread(store, asset) == content
    assert (asset.name, asset.size_bytes) == ("datasets/rows.bin", size_bytes)
    assert asset.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("size_bytes", "segments"), [(0, 1), (1, 1), (MIB, 2), (5 * MIB, 6)])
def test_the_stored_size_is_what_lies_there(local: AssetStore, tmp_path: Path, size_bytes: int, segments: int) -> None:
    asset = local.put(TENANT, "a", io.BytesIO(some_bytes(size_bytes)))
    assert asset.stored_bytes == path_of(tmp_path, "a").stat().st_size
    assert asset.stored_bytes == size_bytes + HEADER_BYTES + segments * TAG_BYTES


def test_an_object_opens_by_hand_with_its_slots_key_and_the_published_format(
    local: AssetStore, keys: MemoryKeySlots, tmp_path: Path
) -> None:
    content = some_bytes(2 * MIB)
    asset = local.put(TENANT, "a/b", io.BytesIO(content))
    stored = path_of(tmp_path, "a/b").read_bytes()
    assert stored[0] == HEADER_BYTES
    salt, nonce_prefix = stored[1:33], stored[33:40]
    binding = TENANT.bytes + asset.key_slot.to_bytes(8, "big") + b"a/b"
    # RFC 5869: extract with the salt, then the first block of expand with the associated data as info
    pseudorandom = hmac.digest(salt, keys.open(TENANT, asset.key_slot), "sha256")
    cipher = AESGCM(hmac.digest(pseudorandom, binding + b"\x01", "sha256"))
    ends = [MIB, 2 * MIB, len(stored)]
    opened = b""
    for index, (start, end) in enumerate(zip([HEADER_BYTES, *ends], ends, strict=False)):
        nonce = nonce_prefix + index.to_bytes(4, "big") + bytes([end == len(stored)])
        opened += cipher.decrypt(nonce, stored[start:end], None)
    assert opened == content


def test_every_object_has_a_slot_of_its_own_and_equal_contents_look_different(
    local: AssetStore, tmp_path: Path
) -> None:
    first = local.put(TENANT, "first", io.BytesIO(b"same"))
    second = local.put(TENANT, "second", io.BytesIO(b"same"))
    assert first.key_slot != second.key_slot
    assert path_of(tmp_path, "first").read_bytes() != path_of(tmp_path, "second").read_bytes()


def test_a_parquet_file_does_not_look_like_one_and_reads_after_copying(local: AssetStore, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["kumquat"] * 100}), buffer, compression="none", use_dictionary=False)
    buffer.seek(0)
    asset = local.put(TENANT, "datasets/v1.parquet", buffer)
    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not content.startswith(b"PAR1")
        assert not content.endswith(b"PAR1")
        assert b"kumquat" not in content
    copy = tmp_path / "run.parquet"
    local.copy_to(TENANT, asset.name, asset.key_slot, copy)
    assert pq.read_table(copy).column("text").to_pylist() == ["kumquat"] * 100
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_stream_reads_in_pieces_of_any_size_and_cannot_be_sought(store: AssetStore) -> None:
    content = some_bytes(2 * MIB + 77)
    asset = store.put(TENANT, "a", io.BytesIO(content))
    stream: BinaryIO = store.open(TENANT, "a", asset.key_slot)
    with stream:
        assert not stream.seekable()
        assert stream.read(10) == content[:10]
        assert stream.read(MIB) == content[10 : MIB + 10]
        assert stream.read() == content[MIB + 10 :]
        assert stream.read() == b""
    assert stream.closed


def test_objects_are_listed_per_tenant_and_in_order(store: AssetStore) -> None:
    for name in ("b", "a/2", "a/10", "c.d-e_f"):
        store.put(TENANT, name, io.BytesIO(b""))
    store.put(OTHER_TENANT, "theirs", io.BytesIO(b""))
    assert store.list(TENANT) == ["a/10", "a/2", "b", "c.d-e_f"]
    assert store.list(OTHER_TENANT) == ["theirs"]
    assert store.list(TenantId(uuid.UUID(int=7))) == []


def test_a_deleted_object_is_gone_and_deleting_again_is_harmless(store: AssetStore) -> None:
    asset = store.put(TENANT, "a/b", io.BytesIO(b"x"))
    store.put(TENANT, "a/c", io.BytesIO(b"x"))
    assert store.exists(TENANT, "a/b")
    for _ in range(2):
        store.delete(TENANT, "a/b")
        assert not store.exists(TENANT, "a/b")
    store.delete(TENANT, "a")  # a folder is no object
    assert store.list(TENANT) == ["a/c"]
    with pytest.raises(AssetMissing):
        store.open(TENANT, "a/b", asset.key_slot)


def test_only_the_owner_can_read_what_is_stored(local: AssetStore, tmp_path: Path) -> None:
    local.put(TENANT, "a/b", io.BytesIO(b"x"))
    folder = tmp_path / "assets"
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    assert path_of(tmp_path, "a/b").stat().st_mode & 0o777 == 0o600
    assert path_of(tmp_path, "a/b").stat().st_nlink == 1


def test_a_store_knows_whether_it_is_local(tmp_path: Path, keys: MemoryKeySlots) -> None:
    assert AssetStore(str(tmp_path), keys).is_local
    assert AssetStore(f"file://{tmp_path}", keys).is_local
    assert not AssetStore("memory://assets", keys).is_local


# -------------------------------------------------------------------------------------------------------------- refusal


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/../x", "/etc/passwd", "a//b", "a/", "a\\b", "a\0b", "a\n", "a b", ".hidden"),
        *("a/.hidden", "-rf", "é", "s3://b/x", "x" * 101, "/".join("abcdefghi"), ".unfinished/x"),
    ],
)
def test_names_that_could_leave_the_tenants_folder_are_refused(store: AssetStore, name: str) -> None:
    for attempt in (
        lambda: store.put(TENANT, name, io.BytesIO(b"")),
        lambda: store.open(TENANT, name, 0),
        lambda: store.delete(TENANT, name),
        lambda: store.exists(TENANT, name),
    ):
        with pytest.raises(InvalidValue, match="name is"):
            attempt()


def test_a_refused_name_costs_no_slot(store: AssetStore, keys: MemoryKeySlots) -> None:
    with pytest.raises(InvalidValue):
        store.put(TENANT, "..", io.BytesIO(b""))
    assert keys.count(TENANT) == 0


def test_objects_are_immutable(store: AssetStore) -> None:
    asset = store.put(TENANT, "a/b", io.BytesIO(b"first"))
    for name in ("a/b", "a/b/c", "a/b/c/d"):  # an object is no folder either
        if name == "a/b" or store.is_local:
            with pytest.raises(AssetExists):
                store.put(TENANT, name, io.BytesIO(b"second"))
    assert reread(store, asset) == b"first"
    assert store.list(TENANT) == ["a/b"]


def test_other_tenants_may_use_the_same_name(store: AssetStore) -> None:
    ours = store.put(TENANT, "a", io.BytesIO(b"ours"))
    store.put(OTHER_TENANT, "a", io.BytesIO(b"theirs"))
    assert reread(store, ours) == b"ours"


def test_an_object_does_not_open_with_another_slot_or_in_another_tenant(local: AssetStore, tmp_path: Path) -> None:
    asset = local.put(TENANT, "a", io.BytesIO(b"ours"))
    other = local.put(TENANT, "b", io.BytesIO(b"ours too"))
    with pytest.raises(AssetBroken):
        local.open(TENANT, "a", other.key_slot).read()
    with pytest.raises(KeySlotMissing):
        local.open(OTHER_TENANT, "a", asset.key_slot)
    theirs = local.put(OTHER_TENANT, "b", io.BytesIO(b"theirs"))
    with pytest.raises(AssetMissing):
        local.open(OTHER_TENANT, "a", theirs.key_slot)
    path_of(tmp_path, "a").rename(tmp_path / "assets" / str(OTHER_TENANT) / "a")
    with pytest.raises(AssetBroken):
        local.open(OTHER_TENANT, "a", theirs.key_slot).read()


def test_even_under_an_equal_key_an_object_opens_only_in_its_place(tmp_path: Path) -> None:
    class SharedKey(MemoryKeySlots):
        def open(self, *_: object) -> bytes:
            return b"k" * 32

    store = AssetStore(str(tmp_path / "assets"), SharedKey())
    asset = store.put(TENANT, "a", io.BytesIO(b"ours"))
    content = path_of(tmp_path, "a").read_bytes()
    for tenant_id, name, slot in ((OTHER_TENANT, "a", 0), (TENANT, "b", 0), (TENANT, "a", 1)):
        path = tmp_path / "assets" / str(tenant_id) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        with pytest.raises(AssetBroken):
            store.open(tenant_id, name, slot).read()
    assert reread(store, asset) == b"ours"


def test_an_object_whose_slot_was_erased_is_gone(store: AssetStore, keys: MemoryKeySlots) -> None:
    asset = store.put(TENANT, "a", io.BytesIO(b"x"))
    keys.erase(TENANT, [asset.key_slot])
    with pytest.raises(KeyErased):
        store.open(TENANT, "a", asset.key_slot)


def segment(stored: bytes, index: int) -> bytes:
    return stored[index * MIB : (index + 1) * MIB]


def flip(stored: bytes, position: int) -> bytes:
    return stored[:position] + bytes([stored[position] ^ 1]) + stored[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda stored: stored[:0], id="emptied"),
        pytest.param(lambda stored: stored[:HEADER_BYTES], id="header only"),
        pytest.param(lambda stored: stored[:-1], id="last byte missing"),
        pytest.param(lambda stored: stored[: 3 * MIB], id="last segment missing"),
        pytest.param(lambda stored: stored[:MIB] + stored[2 * MIB :], id="middle segment missing"),
        pytest.param(
            lambda stored: segment(stored, 0) + segment(stored, 2) + segment(stored, 1) + stored[3 * MIB :],
            id="segments swapped",
        ),
        pytest.param(lambda stored: stored + b"\0", id="byte added"),
        pytest.param(lambda stored: flip(stored, 0), id="first byte changed"),
        pytest.param(lambda stored: flip(stored, 2 * MIB), id="byte changed inside"),
        pytest.param(lambda stored: flip(stored, len(stored) - 1), id="last byte changed"),
    ],
)
def test_a_damaged_object_is_refused_and_leaves_no_copy(
    local: AssetStore, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    asset = local.put(TENANT, "a", io.BytesIO(some_bytes(3 * MIB + 5)))
    path = path_of(tmp_path, "a")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(AssetBroken, match="Object a does not open"):
        reread(local, asset)
    with pytest.raises(AssetBroken):
        local.copy_to(TENANT, "a", asset.key_slot, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_replaces_no_file(local: AssetStore, tmp_path: Path) -> None:
    asset = local.put(TENANT, "a", io.BytesIO(b"x"))
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("taken", "link"):
        with pytest.raises(FileExistsError):
            local.copy_to(TENANT, "a", asset.key_slot, tmp_path / name)
    assert (tmp_path / "taken").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_an_objects_place_is_not_followed(local: AssetStore, tmp_path: Path) -> None:
    asset = local.put(TENANT, "a", io.BytesIO(b"x"))
    path_of(tmp_path, "a").rename(tmp_path / "elsewhere")
    path_of(tmp_path, "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        local.open(TENANT, "a", asset.key_slot)
