import errno
import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from typing_extensions import Buffer

from shifty_pipelines.kernel.disk_space import NoSpaceLeft
from shifty_pipelines.kernel.key_files import FileKeySlots
from shifty_pipelines.kernel.keys import MemoryKeySlots
from shifty_pipelines.kernel.store import AssetExists, AssetStore, StoredAsset
from shifty_pipelines.kernel.store_cipher import encrypt
from shifty_pipelines.kernel.tenant import TenantId

TENANT = TenantId(uuid.UUID("11111111-1111-4111-8111-111111111111"))
INSTALLATION = uuid.UUID("99999999-9999-4999-8999-999999999999")
MIB = 1 << 20


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


class FailsMidway(io.RawIOBase):
    """Gives three megabytes, then fails."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure
        self._calls = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._calls += 1
        if self._calls > 3:
            raise self._failure
        return b"x" * size


# ------------------------------------------------------------------------------------------------------- failing midway


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "source lost"), KeyboardInterrupt()], ids=repr)
def test_a_source_that_fails_midway_leaves_nothing(store: AssetStore, tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)) as raised:
        store.put(TENANT, "a", FailsMidway(failure))  # type: ignore[arg-type] # reads like a BinaryIO
    assert raised.value is failure
    assert not store.exists(TENANT, "a")
    assert store.list(TENANT) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == []
    assert reread(store, store.put(TENANT, "a", io.BytesIO(b"second try"))) == b"second try"


def test_a_disk_that_takes_no_more_leaves_nothing_and_says_why(local: AssetStore, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, hard))  # the kernel refuses the write, as on a full disk
    try:
        for name, size in (("a", 5 * MIB), ("b", 3 * MIB)):  # the second fails in the very last segment
            with pytest.raises(NoSpaceLeft, match=r"bytes are free.*Free some space") as refused:
                local.put(TENANT, name, io.BytesIO(some_bytes(size)))
            assert str(tmp_path) in refused.value.message
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert local.list(TENANT) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == []


class FailsOnce(io.BytesIO):
    """Loses the write that reaches a given byte and takes all others, as a network disk reports a lost write once."""

    def __init__(self, *, at_byte: int) -> None:
        super().__init__()
        self._left_bytes = at_byte
        self._has_failed = False

    def write(self, content: Buffer, /) -> int:
        self._left_bytes -= memoryview(content).nbytes
        if self._left_bytes < 0 and not self._has_failed:
            self._has_failed = True
            raise OSError(errno.EIO, "write lost")
        return super().write(content)


@pytest.mark.parametrize(
    ("at_byte", "unread_bytes"),
    [
        pytest.param(0, 3 * MIB, id="first segment, written once the second is read"),
        pytest.param(MIB, 2 * MIB, id="second segment"),
        pytest.param(5 * MIB, 0, id="last segment, written when the source has ended"),
    ],
)
def test_a_failure_reported_once_stops_the_writing_and_is_not_forgotten(at_byte: int, unread_bytes: int) -> None:
    source, target = io.BytesIO(some_bytes(5 * MIB)), FailsOnce(at_byte=at_byte)
    with pytest.raises(OSError, match="write lost"):
        encrypt(b"k" * 32, source, target, b"")
    assert len(source.read()) == unread_bytes


def test_a_read_that_fails_is_not_taken_for_a_damaged_object(
    keys: MemoryKeySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AssetStore(f"memory://{uuid.uuid4()}", keys)
    asset = store.put(TENANT, "a", io.BytesIO(some_bytes(3 * MIB)))
    memory = fsspec.filesystem("memory")
    whole = memory.open

    class Disconnects(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= MIB:
                raise ConnectionResetError("reset by peer")
            return super().read(size)

    monkeypatch.setattr(memory, "open", lambda path, mode: Disconnects(whole(path, mode).getvalue()))
    with pytest.raises(ConnectionResetError), store.open(TENANT, "a", asset.key_slot) as stream:
        stream.read()


def test_an_object_is_on_the_disk_before_it_is_visible(
    local: AssetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int]] = []
    fsync, path = os.fsync, path_of(tmp_path, "a")

    def recording_fsync(fd: int) -> None:
        synced.append((path.exists(), os.fstat(fd).st_ino))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    local.put(TENANT, "a", io.BytesIO(b"x"))
    assert synced[0] == (False, path.stat().st_ino)
    assert (True, path.parent.stat().st_ino) in synced[1:]


# ---------------------------------------------------------------------------------------------- several writers at once


def test_of_several_puts_of_one_name_at_once_one_wins(local: AssetStore, tmp_path: Path) -> None:
    # Every writer has seen that the name is free before any of them finishes.
    all_started = threading.Barrier(6, timeout=30)

    class Waits(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                all_started.wait()
            return super().read(size)

    def put(writer: int) -> tuple[StoredAsset, bytes] | None:
        content = bytes([writer]) * 1000
        try:
            return local.put(TENANT, "a", Waits(content)), content
        except AssetExists:
            return None

    with ThreadPoolExecutor(6) as pool:
        [(asset, content)] = [won for won in pool.map(put, range(6)) if won is not None]
    assert reread(local, asset) == content
    assert [path.name for path in (tmp_path / "assets").rglob("*") if path.is_file()].count("a") == 1
    assert list((tmp_path / "assets" / str(TENANT) / ".unfinished").iterdir()) == [
        tmp_path / "assets" / str(TENANT) / ".unfinished" / ".lock"
    ]


def test_a_name_taken_while_its_object_is_being_sent_stays_with_the_first(store: AssetStore) -> None:
    won: list[StoredAsset] = []

    class Overtaken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not won:
                won.append(store.put(TENANT, "a", io.BytesIO(b"first")))
            return super().read(size)

    with pytest.raises(AssetExists):
        store.put(TENANT, "a", Overtaken(b"second"))
    assert reread(store, won[0]) == b"first"


WRITER = """
import sys, uuid
from pathlib import Path
from shifty_pipelines.kernel.key_files import FileKeySlots
from shifty_pipelines.kernel.store import AssetStore
home, tenant, installation = Path(sys.argv[1]), uuid.UUID(sys.argv[2]), uuid.UUID(sys.argv[3])

class Source:
    calls = 0
    def read(self, size):
        self.calls += 1
        if self.calls == 4:
            print("midway", flush=True)
            sys.stdin.readline()
        return b"x" * size if self.calls < 6 else b""

keys = FileKeySlots(home / "keys", home / "secrets", installation)
print(AssetStore(str(home / "assets"), keys).put(tenant, "slow", Source()).key_slot)
"""


@pytest.fixture
def durable(tmp_path: Path) -> AssetStore:
    return AssetStore(str(tmp_path / "assets"), FileKeySlots(tmp_path / "keys", tmp_path / "secrets", INSTALLATION))


def start_writer(tmp_path: Path) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-c", WRITER, str(tmp_path), str(TENANT), str(INSTALLATION)]
    writer = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert line_from(writer) == b"midway\n"
    return writer


def line_from(writer: "subprocess.Popen[bytes]") -> bytes:
    assert writer.stdout is not None
    return writer.stdout.readline()


def unfinished_in(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "assets" / str(TENANT) / ".unfinished"
    return [path for path in folder.iterdir() if path.name != ".lock"]


def test_a_writer_killed_midway_leaves_nothing_visible_and_the_next_one_sweeps_up(
    durable: AssetStore, tmp_path: Path
) -> None:
    with start_writer(tmp_path) as writer:
        writer.send_signal(signal.SIGKILL)
    assert durable.list(TENANT) == []
    assert len(unfinished_in(tmp_path)) == 1
    asset = durable.put(TENANT, "slow", io.BytesIO(b"second try"))
    assert reread(durable, asset) == b"second try"
    assert unfinished_in(tmp_path) == []


def test_a_writer_still_at_work_is_not_swept(durable: AssetStore, tmp_path: Path) -> None:
    with start_writer(tmp_path) as writer:
        durable.put(TENANT, "quick", io.BytesIO(b"x"))
        assert len(unfinished_in(tmp_path)) == 1
        assert writer.stdin is not None
        writer.stdin.write(b"go on\n")
        writer.stdin.close()
        slot = int(line_from(writer))
    with durable.open(TENANT, "slow", slot) as stream:
        assert stream.read() == b"x" * 5 * MIB
    assert durable.list(TENANT) == ["quick", "slow"]


# --------------------------------------------------------------------------------------------------------------- memory

GREEDY = """
import resource, sys, uuid
from pathlib import Path
from shifty_pipelines.kernel.keys import MemoryKeySlots
from shifty_pipelines.kernel.store import AssetStore

class Source:
    def __init__(self, segments):
        self.segments = segments
    def read(self, size):
        self.segments -= 1
        return b"x" * size if self.segments >= 0 else b""

def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

home, tenant = Path(sys.argv[1]), uuid.UUID(int=1)
store = AssetStore(str(home / "assets"), MemoryKeySlots())
def there_and_back(name, segments):
    asset = store.put(tenant, name, Source(segments))
    store.copy_to(tenant, name, asset.key_slot, home / name)
there_and_back("small", 3)
before = peak_bytes()
there_and_back("large", 128)
print(peak_bytes() - before)
"""


def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    answer = subprocess.run([sys.executable, "-c", GREEDY, str(tmp_path)], capture_output=True, check=True)
    assert (tmp_path / "large").stat().st_size == 128 * MIB
    assert int(answer.stdout) < 20 * MIB
