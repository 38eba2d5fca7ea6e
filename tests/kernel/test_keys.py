import errno
import hashlib
import hmac
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shifty_pipelines.kernel.key_files import FileKeySlots, FileTenantKeys
from shifty_pipelines.kernel.keys import (
    ForeignKeyFile,
    KeyFileDamaged,
    KeySlotDamaged,
    TenantKeyMismatch,
    TenantKeyMissing,
    UnsafeKeyFile,
)
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
OTHER_TENANT = TenantId(uuid.UUID("22222222-2222-4222-8222-222222222222"))
INSTALLATION = uuid.UUID("99999999-9999-4999-8999-999999999999")
OTHER_INSTALLATION = uuid.UUID("88888888-8888-4888-8888-888888888888")

# The file format, as documented; stated here anew so that a change of it is noticed.
HEADER_BYTES = 128
RECORD_BYTES = 64


def slots_in(home: Path, *, installation_id: uuid.UUID = INSTALLATION) -> FileKeySlots:
    return FileKeySlots(home / "keys", home / "secrets", installation_id)


@pytest.fixture
def keys(tmp_path: Path) -> FileKeySlots:
    return slots_in(tmp_path)


def record(keys: FileKeySlots, slot: int) -> bytes:
    start = HEADER_BYTES + slot * RECORD_BYTES
    return keys.path(TENANT).read_bytes()[start : start + RECORD_BYTES]


def overwrite(path: Path, content: bytes, *, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


# ------------------------------------------------------------------------------------------------------------- format


def test_a_record_opens_by_hand_with_nothing_but_the_documented_format(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT, 2)
    root = (tmp_path / "secrets" / "tenants" / f"{TENANT}.key").read_bytes()
    # RFC 5869: extract with an empty salt, then the first block of expand
    pseudorandom = hmac.digest(b"\0" * 32, root, "sha256")
    wrapping_key = hmac.digest(pseudorandom, b"key slots" + b"\x01", "sha256")
    wrapped = record(keys, 1)
    assert wrapped[:1] == b"L"
    opened = AESGCM(wrapping_key).decrypt(wrapped[1:13], wrapped[13:61], TENANT.bytes + (1).to_bytes(8, "big"))
    assert opened == keys.open(TENANT, 1)


def test_the_header_names_tenant_and_installation(keys: FileKeySlots) -> None:
    keys.allocate(TENANT, 3)
    content = keys.path(TENANT).read_bytes()
    assert content[:10] == b"SHIFTYKS\x00\x01"
    assert content[10:42] == TENANT.bytes + INSTALLATION.bytes
    assert len(content) == HEADER_BYTES + 3 * RECORD_BYTES


def test_only_the_owner_can_read_keys_and_their_folders(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    folders = {"keys": 0o700, "secrets": 0o700, "tenants": 0o700}
    assert modes == folders | {f"{TENANT}.slots": 0o600, f"{TENANT}.key": 0o600}


def test_no_key_stands_in_a_file_as_it_is(keys: FileKeySlots, tmp_path: Path) -> None:
    opened = [keys.open(TENANT, slot) for slot in keys.allocate(TENANT, 20)]
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [key for key in opened if key in on_disk]


# --------------------------------------------------------------------------------------------------------- durability


def test_a_batch_is_on_the_disk_before_it_is_returned_with_one_fsync(
    keys: FileKeySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.allocate(TENANT)
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: sizes.append(os.fstat(fd).st_size))
    keys.allocate(TENANT, 1000)
    assert sizes == [HEADER_BYTES + 1001 * RECORD_BYTES]


def test_an_erasure_is_on_the_disk_before_it_returns_with_one_fsync(
    keys: FileKeySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.allocate(TENANT, 5)
    seen: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(os.pread(fd, RECORD_BYTES, HEADER_BYTES + RECORD_BYTES)))
    keys.erase(TENANT, [1, 3])
    assert seen == [b"E" + b"\0" * 63]


def test_a_failed_fsync_returns_no_slot(keys: FileKeySlots, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.allocate(TENANT)

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "disk failure")

    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk failure"):
            keys.allocate(TENANT)
    assert len(keys.open(TENANT, keys.allocate(TENANT)[0])) == 32


@pytest.mark.parametrize("torn_bytes", range(1, RECORD_BYTES + 1))
def test_a_torn_tail_costs_no_slot_that_was_ever_returned(keys: FileKeySlots, torn_bytes: int) -> None:
    keys.allocate(TENANT, 3)
    before = [keys.open(TENANT, slot) for slot in (0, 1)]
    os.truncate(keys.path(TENANT), HEADER_BYTES + 3 * RECORD_BYTES - torn_bytes)
    assert keys.count(TENANT) == 2
    assert list(keys.allocate(TENANT, 2)) == [2, 3]
    assert [keys.open(TENANT, slot) for slot in (0, 1)] == before
    assert keys.open(TENANT, 2) != keys.open(TENANT, 3)
    assert keys.path(TENANT).stat().st_size == HEADER_BYTES + 4 * RECORD_BYTES


def test_a_hole_left_by_a_crash_does_not_pass_for_an_erased_slot(keys: FileKeySlots) -> None:
    keys.allocate(TENANT)
    os.truncate(keys.path(TENANT), HEADER_BYTES + 2 * RECORD_BYTES)
    assert keys.erased(TENANT) == set()
    with pytest.raises(KeySlotDamaged):
        keys.open(TENANT, 1)
    assert list(keys.allocate(TENANT)) == [2]


ENDLESS_ALLOCATOR = """
import hashlib, sys, uuid
from pathlib import Path
from shifty_pipelines.kernel.key_files import FileKeySlots
home, tenant, installation = Path(sys.argv[1]), uuid.UUID(sys.argv[2]), uuid.UUID(sys.argv[3])
keys = FileKeySlots(home / "keys", home / "secrets", installation)
while True:
    for slot in keys.allocate(tenant, 7):
        print(slot, hashlib.sha256(keys.open(tenant, slot)).hexdigest(), flush=True)
"""


def test_a_process_killed_while_it_appends_loses_no_slot_and_doubles_none(keys: FileKeySlots, tmp_path: Path) -> None:
    seen: dict[int, str] = {}
    for lines in (3, 40, 111, 200):
        arguments = [str(tmp_path), str(TENANT), str(INSTALLATION)]
        with subprocess.Popen([sys.executable, "-c", ENDLESS_ALLOCATOR, *arguments], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            printed = [process.stdout.readline().split() for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
        for printed_slot, digest in printed:
            assert int(printed_slot) not in seen
            seen[int(printed_slot)] = digest.decode()
        [slot] = keys.allocate(TENANT)
        assert slot not in seen
        seen[slot] = hashlib.sha256(keys.open(TENANT, slot)).hexdigest()
    assert {slot: hashlib.sha256(keys.open(TENANT, slot)).hexdigest() for slot in seen} == seen


# -------------------------------------------------------------------------------------------------------- concurrency


def allocate_many(home: Path, start: Barrier, report: Path) -> None:
    keys = slots_in(home)
    start.wait()
    seen = [
        [slot, keys.open(TENANT, slot).hex()] for turn in range(150) for slot in keys.allocate(TENANT, 1 + turn % 3)
    ]
    report.write_text(json.dumps(seen))


def test_processes_that_allocate_at_once_never_share_a_slot(keys: FileKeySlots, tmp_path: Path) -> None:
    # None of them finds a tenant key or a slot file, so they race for making both as well.
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    reports = [tmp_path / f"report-{worker}" for worker in range(4)]
    workers = [context.Process(target=allocate_many, args=(tmp_path, start, report)) for report in reports]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    seen = [entry for report in reports for entry in json.loads(report.read_text())]
    assert sorted(slot for slot, _ in seen) == list(range(4 * 300))
    assert [entry for entry in seen if keys.open(TENANT, entry[0]).hex() != entry[1]] == []


def test_threads_that_allocate_at_once_never_share_a_slot(keys: FileKeySlots) -> None:
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: keys.allocate(TENANT, 2), range(200)))
    assert sorted(slot for batch in batches for slot in batch) == list(range(400))


# ------------------------------------------------------------------------------------------------------------- refusal


def test_another_installations_file_is_refused_by_name(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    elsewhere = slots_in(tmp_path, installation_id=OTHER_INSTALLATION)
    for attempt in (
        lambda: elsewhere.open(TENANT, 0),
        lambda: elsewhere.allocate(TENANT),
        lambda: elsewhere.erase(TENANT, [0]),
        lambda: elsewhere.count(TENANT),
        lambda: elsewhere.erased(TENANT),
    ):
        with pytest.raises(ForeignKeyFile, match=f"installation {INSTALLATION}; .*installation {OTHER_INSTALLATION}"):
            attempt()
    assert len(keys.open(TENANT, 0)) == 32


def test_another_tenants_file_in_this_tenants_place_is_refused(keys: FileKeySlots) -> None:
    keys.allocate(TENANT)
    keys.allocate(OTHER_TENANT)
    shutil.copy(keys.path(OTHER_TENANT), keys.path(TENANT))
    with pytest.raises(ForeignKeyFile, match=f"tenant {OTHER_TENANT}; .*tenant {TENANT}"):
        keys.open(TENANT, 0)
    with pytest.raises(ForeignKeyFile):
        keys.allocate(TENANT)


def test_a_header_changed_to_fit_is_refused(keys: FileKeySlots) -> None:
    keys.allocate(TENANT)
    keys.allocate(OTHER_TENANT)
    shutil.copy(keys.path(OTHER_TENANT), keys.path(TENANT))
    overwrite(keys.path(TENANT), TENANT.bytes, offset=10)
    with pytest.raises(TenantKeyMismatch):
        keys.open(TENANT, 0)
    with pytest.raises(TenantKeyMismatch):
        keys.allocate(TENANT)


def test_records_that_changed_places_are_refused(keys: FileKeySlots) -> None:
    keys.allocate(TENANT, 3)
    first, second, untouched = record(keys, 0), record(keys, 1), keys.open(TENANT, 2)
    overwrite(keys.path(TENANT), second + first, offset=HEADER_BYTES)
    for slot in (0, 1):
        with pytest.raises(KeySlotDamaged):
            keys.open(TENANT, slot)
    assert keys.open(TENANT, 2) == untouched


@pytest.mark.parametrize("position", range(61))
def test_a_record_with_one_byte_changed_is_refused(keys: FileKeySlots, position: int) -> None:
    keys.allocate(TENANT)
    changed = record(keys, 0)[position] ^ 0x01
    overwrite(keys.path(TENANT), bytes([changed]), offset=HEADER_BYTES + position)
    with pytest.raises(KeySlotDamaged):
        keys.open(TENANT, 0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"SHIFTYKS\x00\x01", id="cut in the header"),
        pytest.param(b"\0" * 192, id="zeros"),
        pytest.param(b"SHIFTYKS\x00\x02" + b"\0" * 182, id="a later format"),
    ],
)
def test_what_is_no_slot_file_is_refused(keys: FileKeySlots, content: bytes) -> None:
    keys.allocate(TENANT)
    keys.path(TENANT).write_bytes(content)
    for attempt in (lambda: keys.open(TENANT, 0), lambda: keys.allocate(TENANT), lambda: keys.count(TENANT)):
        with pytest.raises(KeyFileDamaged, match="Restore it"):
            attempt()


def test_links_are_not_followed(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    for path in (keys.path(TENANT), FileTenantKeys(tmp_path / "secrets").path(TENANT)):
        elsewhere = path.rename(tmp_path / "elsewhere")
        path.symlink_to(elsewhere)
        for attempt in (lambda: keys.open(TENANT, 0), lambda: keys.allocate(TENANT)):
            with pytest.raises(UnsafeKeyFile, match="symbolic link"):
                attempt()
        path.unlink()
        elsewhere.rename(path)


def test_files_open_to_others_are_refused_with_the_remedy(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    for path in (keys.path(TENANT), FileTenantKeys(tmp_path / "secrets").path(TENANT)):
        path.chmod(0o640)
        with pytest.raises(UnsafeKeyFile, match=f"chmod 600 {path}"):
            keys.open(TENANT, 0)
        path.chmod(0o600)


# ---------------------------------------------------------------------------------------------------------- tenant key


def test_a_lost_tenant_key_is_not_replaced_by_a_new_one(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    path = FileTenantKeys(tmp_path / "secrets").path(TENANT)
    path.unlink()
    for attempt in (lambda: keys.open(TENANT, 0), lambda: keys.allocate(TENANT)):
        with pytest.raises(TenantKeyMissing, match="Restore that file"):
            attempt()
    assert not path.exists()


def test_slots_can_be_erased_when_the_tenant_key_is_lost(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    FileTenantKeys(tmp_path / "secrets").path(TENANT).unlink()
    keys.erase(TENANT, [0])
    assert keys.erased(TENANT) == {0}


def test_a_tenant_key_from_elsewhere_is_refused(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT)
    FileTenantKeys(tmp_path / "secrets").path(TENANT).write_bytes(b"k" * 32)
    for attempt in (lambda: keys.open(TENANT, 0), lambda: keys.allocate(TENANT)):
        with pytest.raises(TenantKeyMismatch, match="same installation"):
            attempt()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_tenant_key_of_the_wrong_size_is_refused(tmp_path: Path, size: int) -> None:
    tenant_keys = FileTenantKeys(tmp_path)
    tenant_keys.read_or_create(TENANT)
    tenant_keys.path(TENANT).write_bytes(b"k" * size)
    with pytest.raises(KeyFileDamaged, match="32 bytes"):
        tenant_keys.read_or_create(TENANT)


def test_creators_of_a_tenant_key_at_once_end_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: FileTenantKeys(tmp_path).read_or_create(TENANT), range(64)))
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "tenants").iterdir()] == [f"{TENANT}.key"]


def test_a_tenant_key_half_written_by_a_crash_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / f"{TENANT}.key.new").write_bytes(b"half")
    key = FileTenantKeys(tmp_path).read_or_create(TENANT)
    assert len(key) == 32
    assert FileTenantKeys(tmp_path).read(TENANT) == key
