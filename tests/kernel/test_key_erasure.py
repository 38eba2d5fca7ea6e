import shutil
import uuid
from pathlib import Path

import pytest

from shifty_pipelines.kernel.key_files import FileKeySlots
from shifty_pipelines.kernel.keys import (
    KeyErased,
    KeyFileTooShort,
    reconcile_erasures,
    refuse_rows_beyond_file,
)
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))

# A header of 128 bytes, then records of 64.
RECORD_1 = slice(128 + 64, 128 + 2 * 64)


@pytest.fixture
def keys(tmp_path: Path) -> FileKeySlots:
    return FileKeySlots(tmp_path / "keys", tmp_path / "secrets", uuid.UUID(int=9))


def test_an_erased_key_leaves_no_byte_of_its_wrap_and_moves_no_other(keys: FileKeySlots) -> None:
    keys.allocate(TENANT, 3)
    before, inode = keys.path(TENANT).read_bytes(), keys.path(TENANT).stat().st_ino
    doomed = before[RECORD_1]
    keys.erase(TENANT, [1])
    after = keys.path(TENANT).read_bytes()
    assert after[RECORD_1] == b"E" + b"\0" * 63
    assert not [start for start in range(1, 61 - 4) if doomed[start : start + 4] in after]
    assert after == before.replace(doomed, b"E" + b"\0" * 63)
    assert keys.path(TENANT).stat().st_ino == inode


def test_erasures_are_found_however_far_apart_they_lie(keys: FileKeySlots) -> None:
    keys.allocate(TENANT, 40_000)
    keys.erase(TENANT, [0, 16_383, 16_384, 39_999])
    assert keys.erased(TENANT) == {0, 16_383, 16_384, 39_999}


def test_a_restored_older_file_has_its_erasures_replayed(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT, 5)
    keys.erase(TENANT, [4])
    shutil.copy2(keys.path(TENANT), tmp_path / "backup")
    keys.erase(TENANT, [1, 2])
    shutil.copy2(tmp_path / "backup", keys.path(TENANT))
    assert len(keys.open(TENANT, 1)) == 32  # the backup has brought it back

    found = reconcile_erasures(keys, TENANT, erased_in_database=[2, 1])

    assert found.erase_in_file_done == [1, 2]
    assert found.missing_in_database == [4]
    for slot in (1, 2, 4):
        with pytest.raises(KeyErased):
            keys.open(TENANT, slot)
    again = reconcile_erasures(keys, TENANT, erased_in_database=[1, 2, 4])
    assert (again.erase_in_file_done, again.missing_in_database) == ([], [])


def test_a_file_older_than_the_rows_is_refused(keys: FileKeySlots, tmp_path: Path) -> None:
    keys.allocate(TENANT, 3)
    shutil.copy2(keys.path(TENANT), tmp_path / "backup")
    keys.allocate(TENANT, 2)
    refuse_rows_beyond_file(keys, TENANT, 4)
    shutil.copy2(tmp_path / "backup", keys.path(TENANT))
    with pytest.raises(KeyFileTooShort, match=r"slot 4 .* ends after 3 slots: .*Restore the newer copy"):
        refuse_rows_beyond_file(keys, TENANT, 4)
    with pytest.raises(KeyFileTooShort):
        refuse_rows_beyond_file(keys, TENANT, 3)
    refuse_rows_beyond_file(keys, TENANT, 2)


def test_a_missing_file_is_too_short_for_any_row(keys: FileKeySlots) -> None:
    refuse_rows_beyond_file(keys, TENANT, None)
    with pytest.raises(KeyFileTooShort):
        refuse_rows_beyond_file(keys, TENANT, 0)


def test_an_erasure_beyond_the_files_end_is_refused_before_anything_is_replayed(keys: FileKeySlots) -> None:
    keys.allocate(TENANT, 2)
    with pytest.raises(KeyFileTooShort):
        reconcile_erasures(keys, TENANT, erased_in_database=[0, 2])
    assert keys.erased(TENANT) == set()
