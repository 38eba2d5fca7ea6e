import errno
import hashlib
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shifty_trainer.refusals import ExitCode, NoSpaceLeft
from shifty_trainer.whole_directory import (
    MANIFEST_NAME,
    NotWhole,
    is_no_space,
    read_whole,
    refusing_when_full,
    remove_unfinished,
    write_whole,
)

FILES = {"a.bin": b"first", "b.json": b"{}"}


def test_what_is_written_is_read_back_with_its_facts(tmp_path: Path) -> None:
    written = write_whole(tmp_path / "step-1", FILES, {"step": 1})

    manifest = read_whole(tmp_path / "step-1")

    assert manifest == written
    assert manifest.facts == {"step": 1}
    # sha256sum of the five letters "first"
    assert manifest.files["a.bin"] == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
    assert manifest.sha256 == hashlib.sha256((tmp_path / "step-1" / MANIFEST_NAME).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: (path / "a.bin").write_bytes(b"First"), id="a bit flipped"),
        pytest.param(lambda path: (path / "a.bin").write_bytes(b"firs"), id="a file cut short"),
        pytest.param(lambda path: (path / "a.bin").unlink(), id="a file lost"),
        pytest.param(lambda path: (path / MANIFEST_NAME).unlink(), id="no manifest"),
        pytest.param(lambda path: (path / MANIFEST_NAME).write_text("{"), id="half a manifest"),
        pytest.param(lambda path: (path / MANIFEST_NAME).write_text("[]"), id="a manifest of another shape"),
        pytest.param(
            lambda path: (path / MANIFEST_NAME).write_text('{"formatVersion": 9, "facts": {}, "files": {}}'),
            id="a manifest of the future",
        ),
    ],
)
def test_a_harmed_directory_is_not_whole(tmp_path: Path, harm: object) -> None:
    write_whole(tmp_path / "step-1", FILES, {})
    assert callable(harm)
    harm(tmp_path / "step-1")

    with pytest.raises(NotWhole):
        read_whole(tmp_path / "step-1")


def test_a_directory_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    write_whole(tmp_path / "step-1", {"old.bin": b"old"}, {})
    write_whole(tmp_path / "step-1", FILES, {})

    assert set(read_whole(tmp_path / "step-1").files) == set(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]
    assert not (tmp_path / "step-1" / "old.bin").exists()


def test_files_are_flushed_before_the_rename_and_the_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        happened.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        happened.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    write_whole(tmp_path / "step-1", FILES, {})

    assert happened == ["a.bin", "b.json", MANIFEST_NAME, ".unfinished-step-1", "rename", tmp_path.name]


@pytest.mark.parametrize("failing_flush", [0, 2, 3])
def test_a_disk_that_fills_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_flush: int
) -> None:
    write_whole(tmp_path / "step-1", {"old.bin": b"old"}, {})
    flushes = iter(range(10))
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if next(flushes) == failing_flush:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(NoSpaceLeft) as refusal:
        write_whole(tmp_path / "step-1", FILES, {})

    assert refusal.value.exit_code is ExitCode.NO_SPACE
    assert str(tmp_path) in refusal.value.message
    assert set(read_whole(tmp_path / "step-1").files) == {"old.bin"}
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


@pytest.fixture
def files_of_at_most_100_kb() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("files_of_at_most_100_kb")
def test_the_kernels_own_refusal_to_write_is_understood(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceLeft, match=r"for \d{6} bytes"):
        write_whole(tmp_path / "step-1", {"large.bin": bytes(500_000)}, {})

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_write_left_is_removed(tmp_path: Path) -> None:
    write_whole(tmp_path / "step-1", FILES, {})
    (tmp_path / ".unfinished-step-2").mkdir()
    (tmp_path / ".replaced-step-1").mkdir()

    assert remove_unfinished(tmp_path) == [".replaced-step-1", ".unfinished-step-2"]
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_a_write_killed_between_its_two_renames_gives_the_old_directory_back(tmp_path: Path) -> None:
    write_whole(tmp_path / "step-1", FILES, {"step": 1})
    (tmp_path / "step-1").rename(tmp_path / ".replaced-step-1")
    (tmp_path / ".unfinished-step-1").mkdir()

    remove_unfinished(tmp_path)

    assert read_whole(tmp_path / "step-1").facts == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_a_full_disk_is_recognised_under_other_errors() -> None:
    wrapped = RuntimeError("an error occurred while generating")
    wrapped.__cause__ = OSError(errno.EDQUOT, "quota")

    assert is_no_space(wrapped)
    assert not is_no_space(RuntimeError("other"))
    assert not is_no_space(PermissionError(errno.EACCES, "no"))


def test_another_error_passes_through(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), refusing_when_full(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_the_manifest_is_readable_json(tmp_path: Path) -> None:
    write_whole(tmp_path / "step-1", FILES, {"step": 1})

    content = json.loads((tmp_path / "step-1" / MANIFEST_NAME).read_text())

    assert content["files"]["a.bin"]["bytes"] == 5
