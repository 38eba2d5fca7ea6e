"""Keys that can be destroyed one by one, as a port: every sealed text and every stored object has a slot of its own.

Here: the port, its memory adapter, and what must be checked after a restore. Not here: files (`key_files`), sealing
(`sealed`), or when a slot may be erased (only `flows/erase.py` decides that).
"""

import secrets
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.tenant import TenantId

KEY_BYTES = 32  # AES-256


class KeyErased(ShiftyError):
    """The slot's key was destroyed on purpose; whatever was sealed under it cannot be read again by anyone."""

    status = 410
    code = "keys.erased"

    def __init__(self, tenant_id: TenantId, slot: int) -> None:
        super().__init__(
            f"The key in slot {slot} of tenant {tenant_id} was erased, so what was sealed under it is gone for good. "
            "Treat the row that refers to it as deleted.",
            slot=slot,
        )


class KeySlotMissing(ShiftyError):
    """No such slot was ever allocated for this tenant."""

    status = 500
    code = "keys.slot_missing"

    def __init__(self, tenant_id: TenantId, slot: int, *, count: int) -> None:
        super().__init__(
            f"Tenant {tenant_id} has {count} key slots, and slot {slot} is none of them. "
            "If a row refers to it, the slot file is an older copy: restore the newest one.",
            slot=slot,
            count=count,
        )


class KeySlotDamaged(ShiftyError):
    """The slot's record does not unwrap: it was altered, moved from another slot, or never written to the end."""

    status = 500
    code = "keys.slot_damaged"

    def __init__(self, tenant_id: TenantId, slot: int) -> None:
        super().__init__(
            f"The record in key slot {slot} of tenant {tenant_id} is not what was written there. "
            "Restore the newest backup of this tenant's slot file.",
            slot=slot,
        )


class TenantKeyMissing(ShiftyError):
    """There are slots, but the tenant key that wraps them is gone."""

    status = 503
    code = "keys.tenant_key_missing"

    def __init__(self, tenant_id: TenantId, where: str) -> None:
        super().__init__(
            f"The key of tenant {tenant_id} is missing at {where}, so none of its key slots can be opened. "
            "Restore that file from the backup of the secrets directory; a new key would not open old slots."
        )


class TenantKeyMismatch(ShiftyError):
    """The tenant key is not the one that the slot file was made with."""

    status = 503
    code = "keys.tenant_key_mismatch"

    def __init__(self, tenant_id: TenantId, where: str) -> None:
        super().__init__(
            f"The slot file {where} was not made with the present key of tenant {tenant_id}, or its header is altered. "
            "Restore the slot file and the secrets directory from backups of the same installation."
        )


class ForeignKeyFile(ShiftyError):
    """The slot file belongs to another installation or another tenant."""

    status = 503
    code = "keys.foreign_file"

    def __init__(self, where: str, *, whose: str, found: uuid.UUID, expected: uuid.UUID) -> None:
        super().__init__(
            f"The slot file {where} belongs to {whose} {found}; here it should be {whose} {expected}. "
            f"Put back the slot file of {whose} {expected}, or point SHIFTY_HOME and the database at the same "
            "installation.",
            found=str(found),
            expected=str(expected),
        )


class KeyFileDamaged(ShiftyError):
    """The file is no slot file or key file of this format."""

    status = 503
    code = "keys.file_damaged"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be used: {reason}. Restore it from the newest backup.")


class UnsafeKeyFile(ShiftyError):
    """The file is a link, no regular file, or readable by others than its owner."""

    status = 503
    code = "keys.unsafe_file"

    def __init__(self, where: str, reason: str, remedy: str) -> None:
        super().__init__(f"{where} {reason}, so its keys are not safe there. {remedy}")


class KeyFileTooShort(ShiftyError):
    """The database refers to slots that the slot file does not have: the file is an older copy."""

    status = 503
    code = "keys.file_too_short"

    def __init__(self, tenant_id: TenantId, *, highest_slot: int, count: int) -> None:
        super().__init__(
            f"The database refers to key slot {highest_slot} of tenant {tenant_id}, but its slot file ends after "
            f"{count} slots: it is older than the database. Restore the newer copy of the slot file; going on would "
            "give the same slot numbers out twice.",
            highest_slot=highest_slot,
            count=count,
        )


class KeySlots(Protocol):
    """One 32-byte data key per slot; slots are numbered from 0 per tenant and a number is never given twice."""

    def allocate(self, tenant_id: TenantId, count: int = 1) -> range:
        """The numbers of `count` new slots, each with a fresh random key; durable before this returns."""
        ...

    def open(self, tenant_id: TenantId, slot: int) -> bytes:
        """The slot's 32-byte key, to be kept no longer than the unit of work at hand.

        Raises:
            KeyErased: the slot was erased.
            KeySlotMissing: the slot was never allocated.
        """
        ...

    def erase(self, tenant_id: TenantId, slots: Iterable[int]) -> None:
        """Destroy the keys in these slots; durable before this returns, harmless when repeated.

        Raises:
            KeySlotMissing: one of them was never allocated; none is erased then.
        """
        ...

    def count(self, tenant_id: TenantId) -> int:
        """How many slots were ever allocated, erased ones included."""
        ...

    def erased(self, tenant_id: TenantId) -> set[int]:
        """The slots that were erased."""
        ...


class TenantKeys(Protocol):
    """One 32-byte root key per tenant; nothing is encrypted under it directly, see `derive_key`."""

    def read(self, tenant_id: TenantId) -> bytes:
        """The tenant's key.

        Raises:
            TenantKeyMissing: it was never made, or it is lost.
        """
        ...

    def read_or_create(self, tenant_id: TenantId) -> bytes:
        """The tenant's key, made at its first use; of two creators at once, one wins and both get its key."""
        ...


def derive_key(tenant_key: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose only, so that no two uses of the tenant key can be played against each other.

    Source: RFC 5869 (HKDF) with SHA-256, no salt (the tenant key is uniformly random), `purpose` as info.
    """
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(tenant_key)


class MemoryKeySlots:
    """Key slots that live as long as the process; for tests and simulations."""

    def __init__(self) -> None:
        self._keys: dict[TenantId, list[bytes | None]] = {}
        self._lock = threading.Lock()

    def allocate(self, tenant_id: TenantId, count: int = 1) -> range:
        """See `KeySlots.allocate`."""
        if count < 1:
            raise ValueError(f"cannot allocate {count} key slots; ask for at least one")
        with self._lock:
            keys = self._keys.setdefault(tenant_id, [])
            first = len(keys)
            keys.extend(secrets.token_bytes(KEY_BYTES) for _ in range(count))
            return range(first, first + count)

    def open(self, tenant_id: TenantId, slot: int) -> bytes:
        """See `KeySlots.open`."""
        keys = self._keys.get(tenant_id, [])
        if not 0 <= slot < len(keys):
            raise KeySlotMissing(tenant_id, slot, count=len(keys))
        key = keys[slot]
        if key is None:
            raise KeyErased(tenant_id, slot)
        return key

    def erase(self, tenant_id: TenantId, slots: Iterable[int]) -> None:
        """See `KeySlots.erase`."""
        with self._lock:
            keys = self._keys.get(tenant_id, [])
            doomed = set(slots)
            for slot in doomed:
                if not 0 <= slot < len(keys):
                    raise KeySlotMissing(tenant_id, slot, count=len(keys))
            for slot in doomed:
                keys[slot] = None

    def count(self, tenant_id: TenantId) -> int:
        """See `KeySlots.count`."""
        return len(self._keys.get(tenant_id, []))

    def erased(self, tenant_id: TenantId) -> set[int]:
        """See `KeySlots.erased`."""
        return {slot for slot, key in enumerate(self._keys.get(tenant_id, [])) if key is None}


class MemoryTenantKeys:
    """Tenant keys that live as long as the process; for tests and simulations."""

    def __init__(self) -> None:
        self._keys: dict[TenantId, bytes] = {}

    def read(self, tenant_id: TenantId) -> bytes:
        """See `TenantKeys.read`."""
        try:
            return self._keys[tenant_id]
        except KeyError:
            raise TenantKeyMissing(tenant_id, "this process's memory") from None

    def read_or_create(self, tenant_id: TenantId) -> bytes:
        """See `TenantKeys.read_or_create`."""
        return self._keys.setdefault(tenant_id, secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What replaying erasures found: both lists in ascending order, both empty when file and database agreed."""

    erase_in_file_done: list[int]
    missing_in_database: list[int]


def reconcile_erasures(keys: KeySlots, tenant_id: TenantId, *, erased_in_database: Iterable[int]) -> Reconciliation:
    """Make an erasure recorded in either place hold in the file; to be run after a restore, before anything serves.

    Returns:
        `erase_in_file_done`: erased again just now, because an older slot file had brought them back;
        `missing_in_database`: erased in the file only, for the caller to record.

    Raises:
        KeyFileTooShort: the database knows an erasure beyond the file's end.
    """
    recorded = set(erased_in_database)
    refuse_rows_beyond_file(keys, tenant_id, highest_slot_in_rows=max(recorded, default=None))
    in_file = keys.erased(tenant_id)
    revived = sorted(recorded - in_file)
    if revived:
        keys.erase(tenant_id, revived)
    return Reconciliation(erase_in_file_done=revived, missing_in_database=sorted(in_file - recorded))


def refuse_rows_beyond_file(keys: KeySlots, tenant_id: TenantId, highest_slot_in_rows: int | None) -> None:
    """Stop when a row needs a slot that the file does not have; `None` says that the tenant has no such row.

    Raises:
        KeyFileTooShort: the slot file is older than the database.
    """
    count = keys.count(tenant_id)
    if highest_slot_in_rows is not None and highest_slot_in_rows >= count:
        raise KeyFileTooShort(tenant_id, highest_slot=highest_slot_in_rows, count=count)
