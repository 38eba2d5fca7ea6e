"""Where files live: datasets, checkpoints, reports. Every object is encrypted from birth under a key slot of its own.

Objects are immutable, belong to one tenant, and lie in a local directory or on any file system that fsspec reaches.
A stored object is a stream that cannot be sought, so readers that seek (Parquet) get a decrypted copy in their run's
directory. How it is encrypted: `store_cipher`; where its ciphertext lies: `store_folders`.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from shifty_pipelines.kernel.disk_space import refusing_when_full
from shifty_pipelines.kernel.errors import Conflict, InvalidValue, NotFound, ShiftyError
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.store_cipher import SEGMENT_BYTES, decrypting_stream, encrypt
from shifty_pipelines.kernel.store_folders import Folder, LocalFolder, NameTaken, RemoteFolder
from shifty_pipelines.kernel.tenant import TenantId

# No part starts with a dot: that keeps '..' out, and dotted names free for the folder's own use.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,7}")
NAME_RULE = "up to eight parts of letters, digits, '_', '.' and '-', joined by '/', none starting with '.' or '-'"


class AssetExists(Conflict):
    """Objects are immutable, and the name is taken."""

    code = "store.asset_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"An object named {name} is stored already, and objects are immutable. Choose another name.")


class AssetMissing(NotFound):
    """This tenant has no object of that name."""

    code = "store.asset_missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"Object {name}")


class AssetBroken(ShiftyError):
    """What is stored does not decrypt: altered, cut short, or of another tenant, name or slot."""

    status = 500
    code = "store.asset_broken"

    def __init__(self, name: str, slot: int) -> None:
        super().__init__(
            f"Object {name} does not open with key slot {slot}: it was altered or cut short, or it was stored for "
            "another tenant, name or slot. Restore it from a backup or produce it again.",
            slot=slot,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAsset:
    """What the caller records about an object; without `key_slot` it cannot be opened again."""

    name: str
    size_bytes: int  # of the plaintext
    sha256: str  # of the plaintext, in hex
    key_slot: int
    stored_bytes: int  # of the ciphertext


class AssetStore:
    """Encrypted objects by tenant and name.

    Args:
        url: a local directory, or what fsspec understands (`s3://bucket/prefix`).
        keys: where each object's own key comes from.
        options: for fsspec's file system (endpoint, credentials).
    """

    def __init__(self, url: str, keys: KeySlots, **options: Any) -> None:
        self._filesystem, self._root = fsspec.core.url_to_fs(url, **options)
        self._keys = keys

    @property
    def is_local(self) -> bool:
        """Whether the objects lie in a directory of this machine, out of reach of runs on another one."""
        return isinstance(self._filesystem, LocalFileSystem)

    def put(self, tenant_id: TenantId, name: str, source: BinaryIO) -> StoredAsset:
        """Store what `source` still holds: whole, durable and visible when this returns, and not at all when it fails.

        Raises:
            AssetExists: the name is taken; of several puts of one name at once, one wins.
            NoSpaceLeft: the disk under a local store is full.
        """
        folder = self._folder(tenant_id, name)
        if folder.exists(name):
            raise AssetExists(name)
        slot = self._keys.allocate(tenant_id)[0]  # harmless if what follows fails: a slot without a row
        try:
            with refusing_when_full(Path(self._root)), folder.create(name) as target:
                copied = encrypt(self._keys.open(tenant_id, slot), source, target, _binding(tenant_id, name, slot))
        except NameTaken:
            raise AssetExists(name) from None
        return StoredAsset(
            name=name,
            size_bytes=copied.plaintext_bytes,
            sha256=copied.plaintext_sha256,
            key_slot=slot,
            stored_bytes=copied.ciphertext_bytes,
        )

    def open(self, tenant_id: TenantId, name: str, key_slot: int) -> BinaryIO:
        """The plaintext as a stream that cannot be sought; it is known to be complete only once its end was read.

        Raises:
            KeyErased: the object's key was erased.
            AssetMissing: nothing by that name.
            AssetBroken: while reading: altered, cut short, or another tenant's, name's or slot's.
        """
        folder = self._folder(tenant_id, name)
        key = self._keys.open(tenant_id, key_slot)
        try:
            source = folder.open(name)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise AssetMissing(name) from None
        return decrypting_stream(key, source, _binding(tenant_id, name, key_slot), AssetBroken(name, key_slot))

    def copy_to(self, tenant_id: TenantId, name: str, key_slot: int, path: Path) -> None:
        """Decrypt into a new file that only its owner can read; when that fails, no file is left.

        Raises:
            FileExistsError: `path` is taken.
            ShiftyError: as `open`.
        """
        with self.open(tenant_id, name, key_slot) as source:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(fd, "wb") as target:
                    shutil.copyfileobj(source, target, SEGMENT_BYTES)
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def delete(self, tenant_id: TenantId, name: str) -> None:
        """Remove the object; harmless when repeated. Only erasing its slot makes every copy of it unreadable."""
        self._folder(tenant_id, name).delete(name)

    def exists(self, tenant_id: TenantId, name: str) -> bool:
        """Whether an object of that name is stored."""
        return self._folder(tenant_id, name).exists(name)

    def list(self, tenant_id: TenantId) -> list[str]:
        """The names of the tenant's objects, in order."""
        return sorted(self._tenant_folder(tenant_id).names())

    def _folder(self, tenant_id: TenantId, name: str) -> Folder:
        if not NAME.fullmatch(name):
            raise InvalidValue("name", name, NAME_RULE)
        return self._tenant_folder(tenant_id)

    def _tenant_folder(self, tenant_id: TenantId) -> Folder:
        if self.is_local:
            return LocalFolder(Path(self._root), str(tenant_id))
        return RemoteFolder(self._filesystem, f"{self._root}/{tenant_id}")


def _binding(tenant_id: TenantId, name: str, slot: int) -> bytes:
    """What an object's ciphertext is tied to: it opens nowhere else."""
    return tenant_id.bytes + slot.to_bytes(8, "big") + name.encode()
