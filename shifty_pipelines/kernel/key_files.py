"""Key slots and tenant keys as files: `keys/<tenant>.slots` and `secrets/tenants/<tenant>.key`.

A slot file is a header and then records of 64 bytes, written in place and never renamed or rewritten, so that an
erased record leaves no earlier version of the file behind. What in-place overwriting proves beyond that depends on the
file system and the device. No key stays in this process between two calls.
"""

import errno
import fcntl
import hmac
import os
import secrets
import stat
import struct
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shifty_pipelines.kernel.keys import (
    KEY_BYTES,
    ForeignKeyFile,
    KeyErased,
    KeyFileDamaged,
    KeySlotDamaged,
    KeySlotMissing,
    TenantKeyMismatch,
    TenantKeyMissing,
    UnsafeKeyFile,
    derive_key,
)
from shifty_pipelines.kernel.tenant import TenantId

MAGIC = b"SHIFTYKS"
FORMAT_VERSION = 1
#: magic, format version, tenant id, installation id, padding; then a tag under the tenant key over all of it
HEADER_FIELDS = struct.Struct(">8sH16s16s54x")
HEADER_BYTES = HEADER_FIELDS.size + 32

# A record is state, nonce, wrapped key (32 + 16 of tag) and padding. 64 bytes, aligned to 64: a record never crosses a
# 512-byte sector, so overwriting one is a single sector write and a crash leaves the old or the new record.
RECORD_BYTES = 64
NONCE_BYTES = 12
WRAPPED_BYTES = KEY_BYTES + 16
# Zero is neither: a hole that a crash left behind must not pass for a slot that somebody erased.
LIVE = b"L"
ERASED = b"E"
ERASED_RECORD = ERASED.ljust(RECORD_BYTES, b"\0")
SCAN_RECORDS = 16_384  # 1 MiB at a time


class FileTenantKeys:
    """The tenants' root keys, 32 random bytes each, in files that only their owner can read."""

    def __init__(self, secrets_directory: Path) -> None:
        self._directory = secrets_directory / "tenants"

    def path(self, tenant_id: TenantId) -> Path:
        """Where this tenant's key lies."""
        return self._directory / f"{tenant_id}.key"

    def read(self, tenant_id: TenantId) -> bytes:
        """See `TenantKeys.read`."""
        path = self.path(tenant_id)
        try:
            with _opened(path, os.O_RDONLY) as fd:
                key = os.read(fd, KEY_BYTES + 1)
        except FileNotFoundError:
            raise TenantKeyMissing(tenant_id, str(path)) from None
        if len(key) != KEY_BYTES:
            raise KeyFileDamaged(str(path), f"a tenant key has {KEY_BYTES} bytes")
        return key

    def read_or_create(self, tenant_id: TenantId) -> bytes:
        """See `TenantKeys.read_or_create`."""
        try:
            return self.read(tenant_id)
        except TenantKeyMissing:
            _create_once(self.path(tenant_id), secrets.token_bytes(KEY_BYTES))
            return self.read(tenant_id)


class FileKeySlots:
    """One slot file per tenant; any number of processes on this machine may use it at once."""

    def __init__(self, directory: Path, secrets_directory: Path, installation_id: uuid.UUID) -> None:
        self._directory = directory
        self._installation_id = installation_id
        self._tenant_keys = FileTenantKeys(secrets_directory)

    def path(self, tenant_id: TenantId) -> Path:
        """Where this tenant's slot file lies: a key copy, for backups and for in-place evidence."""
        return self._directory / f"{tenant_id}.slots"

    def allocate(self, tenant_id: TenantId, count: int = 1) -> range:
        """See `KeySlots.allocate`. One fsync for the whole batch."""
        if count < 1:
            raise ValueError(f"cannot allocate {count} key slots; ask for at least one")
        wrapping = self._open_or_create(tenant_id)
        with self._opened(tenant_id, os.O_RDWR) as fd, _locked(fd, fcntl.LOCK_EX):
            wrapping.check_header(os.pread(fd, HEADER_BYTES, 0))
            first = _slot_count(fd)
            # A torn tail counts as no slot and is written over: never fsynced, it was never returned to anyone.
            new = range(first, first + count)
            _write_all(fd, b"".join(map(wrapping.fresh_record, new)), _offset(first))
            os.fsync(fd)
        return new

    def open(self, tenant_id: TenantId, slot: int) -> bytes:
        """See `KeySlots.open`.

        Raises:
            KeySlotDamaged: the record was altered or stands in the wrong place.
        """
        try:
            with self._opened(tenant_id, os.O_RDONLY) as fd:
                wrapping = self._wrapping(tenant_id)
                wrapping.check_header(os.pread(fd, HEADER_BYTES, 0))
                _refuse_missing(fd, tenant_id, (slot,))
                try:
                    return wrapping.unwrap(slot, os.pread(fd, RECORD_BYTES, _offset(slot)))
                except KeySlotDamaged:
                    # Reading takes no lock, so this may be the middle of somebody's erasure.
                    with _locked(fd, fcntl.LOCK_SH):
                        return wrapping.unwrap(slot, os.pread(fd, RECORD_BYTES, _offset(slot)))
        except FileNotFoundError:
            raise KeySlotMissing(tenant_id, slot, count=0) from None

    def erase(self, tenant_id: TenantId, slots: Iterable[int]) -> None:
        """See `KeySlots.erase`. Overwrites in place; needs no tenant key, so a lost one does not keep others alive."""
        doomed = sorted(set(slots))
        if not doomed:
            return
        try:
            with self._opened(tenant_id, os.O_RDWR) as fd, _locked(fd, fcntl.LOCK_EX):
                _refuse_missing(fd, tenant_id, doomed)
                for slot in doomed:
                    _write_all(fd, ERASED_RECORD, _offset(slot))
                os.fsync(fd)
        except FileNotFoundError:
            raise KeySlotMissing(tenant_id, doomed[0], count=0) from None

    def count(self, tenant_id: TenantId) -> int:
        """See `KeySlots.count`."""
        try:
            with self._opened(tenant_id, os.O_RDONLY) as fd:
                return _slot_count(fd)
        except FileNotFoundError:
            return 0

    def erased(self, tenant_id: TenantId) -> set[int]:
        """See `KeySlots.erased`."""
        found: set[int] = set()
        try:
            with self._opened(tenant_id, os.O_RDONLY) as fd:
                for first in range(0, _slot_count(fd), SCAN_RECORDS):
                    states = os.pread(fd, SCAN_RECORDS * RECORD_BYTES, _offset(first))[::RECORD_BYTES]
                    found.update(first + i for i, state in enumerate(states) if state == ERASED[0])
        except FileNotFoundError:
            return set()
        return found

    @contextmanager
    def _opened(self, tenant_id: TenantId, flags: int) -> Iterator[int]:
        path = self.path(tenant_id)
        with _opened(path, flags) as fd:
            self._refuse_foreign(path, tenant_id, os.pread(fd, HEADER_BYTES, 0))
            yield fd

    def _refuse_foreign(self, path: Path, tenant_id: TenantId, header: bytes) -> None:
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            raise KeyFileDamaged(str(path), "it does not start like a slot file")
        _, version, tenant, installation = HEADER_FIELDS.unpack_from(header)
        if version != FORMAT_VERSION:
            raise KeyFileDamaged(str(path), f"its format is {version}, and this program knows {FORMAT_VERSION}")
        found = uuid.UUID(bytes=tenant)
        if found != tenant_id:
            raise ForeignKeyFile(str(path), whose="tenant", found=found, expected=tenant_id)
        found = uuid.UUID(bytes=installation)
        if found != self._installation_id:
            raise ForeignKeyFile(str(path), whose="installation", found=found, expected=self._installation_id)

    def _open_or_create(self, tenant_id: TenantId) -> "_Wrapping":
        path = self.path(tenant_id)
        if os.path.lexists(path):
            return self._wrapping(tenant_id)
        # The key comes first: whoever sees a slot file may rely on its key.
        self._tenant_keys.read_or_create(tenant_id)
        wrapping = self._wrapping(tenant_id)
        fields = HEADER_FIELDS.pack(MAGIC, FORMAT_VERSION, tenant_id.bytes, self._installation_id.bytes)
        _create_once(path, wrapping.header(fields))
        return wrapping

    def _wrapping(self, tenant_id: TenantId) -> "_Wrapping":
        return _Wrapping(tenant_id, self._tenant_keys.read(tenant_id), where=str(self.path(tenant_id)))


class _Wrapping:
    """Turns data keys into records and back, for one tenant and one call."""

    def __init__(self, tenant_id: TenantId, tenant_key: bytes, *, where: str) -> None:
        self._tenant_id = tenant_id
        self._where = where
        self._cipher = AESGCM(derive_key(tenant_key, "key slots"))
        self._header_key = derive_key(tenant_key, "slot file header")

    def header(self, fields: bytes) -> bytes:
        return fields + hmac.digest(self._header_key, fields, "sha256")

    def check_header(self, header: bytes) -> None:
        if not hmac.compare_digest(header, self.header(header[: HEADER_FIELDS.size])):
            raise TenantKeyMismatch(self._tenant_id, self._where)

    def fresh_record(self, slot: int) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = self._cipher.encrypt(nonce, secrets.token_bytes(KEY_BYTES), self._place(slot))
        return (LIVE + nonce + wrapped).ljust(RECORD_BYTES, b"\0")

    def unwrap(self, slot: int, record: bytes) -> bytes:
        if record == ERASED_RECORD:
            raise KeyErased(self._tenant_id, slot)
        state, nonce, wrapped = record[:1], record[1 : 1 + NONCE_BYTES], record[1 + NONCE_BYTES :][:WRAPPED_BYTES]
        if state != LIVE:
            raise KeySlotDamaged(self._tenant_id, slot)
        try:
            return self._cipher.decrypt(nonce, wrapped, self._place(slot))
        except InvalidTag:
            raise KeySlotDamaged(self._tenant_id, slot) from None

    def _place(self, slot: int) -> bytes:
        """What binds a record to its tenant and its slot, so that records cannot change places."""
        return self._tenant_id.bytes + slot.to_bytes(8, "big")


def _refuse_missing(fd: int, tenant_id: TenantId, slots: Iterable[int]) -> None:
    count = _slot_count(fd)
    for slot in slots:
        if not 0 <= slot < count:
            raise KeySlotMissing(tenant_id, slot, count=count)


def _slot_count(fd: int) -> int:
    return (os.fstat(fd).st_size - HEADER_BYTES) // RECORD_BYTES


def _offset(slot: int) -> int:
    return HEADER_BYTES + slot * RECORD_BYTES


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of a regular file that only its owner can read; links are not followed."""
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnsafeKeyFile(str(path), "is a symbolic link", "Put the file itself there.") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise UnsafeKeyFile(str(path), "is no regular file", "Put the file itself there.")
        if mode & 0o077:
            raise UnsafeKeyFile(str(path), "is open to other users", f"Run: chmod 600 {path}")
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _locked(fd: int, operation: int) -> Iterator[None]:
    """Hold flock: between processes, and between threads too, because every call has its own descriptor."""
    fcntl.flock(fd, operation)
    try:
        yield
    finally:
        # Closing is not enough: a child forked meanwhile holds the same lock through its copy of the descriptor.
        fcntl.flock(fd, fcntl.LOCK_UN)


def _create_once(path: Path, content: bytes) -> None:
    """The file with this content, whole and durable, unless one stands there already."""
    _make_private_directory(path.parent)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _locked(directory, fcntl.LOCK_EX):
            if os.path.lexists(path):
                return
            fresh = path.with_name(f"{path.name}.new")
            fresh.unlink(missing_ok=True)  # half written by a creator that was killed: the lock is ours now
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _write_all(fd, content, 0)
                os.fsync(fd)
            finally:
                os.close(fd)
            fresh.rename(path)
            os.fsync(directory)
    finally:
        os.close(directory)


def _make_private_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    _make_private_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _write_all(fd: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
