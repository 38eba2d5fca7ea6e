"""Directories that exist whole or not at all: checkpoints and exported model versions.

Files are written into a directory beside the final one, hashed, listed in `MANIFEST.json`, flushed to the disk, and the
directory is renamed. A reader believes the manifest only after hashing every file again. transformers' own saving
writes in place and its resume takes the highest number unchecked.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shifty_trainer.refusals import NoSpaceLeft

MANIFEST_NAME = "MANIFEST.json"
FORMAT_VERSION = 1
UNFINISHED_PREFIX = ".unfinished-"
REPLACED_PREFIX = ".replaced-"

# EFBIG: a file size limit (ulimit -f) is a full disk to whoever meets it.
NO_SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a whole directory says of itself. `sha256` is that of the manifest file: one hash pins all."""

    facts: Mapping[str, Any]
    files: Mapping[str, str]
    sha256: str


class NotWhole(Exception):
    """A directory cannot be trusted; the text says why."""


def canonical_json(value: object) -> bytes:
    """The one spelling of a JSON value: sorted keys, so that equal values have equal hashes."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def write_whole(final: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> Manifest:
    """Write `files` and their manifest as directory `final`, replacing one of that name.

    Raises:
        NoSpaceLeft: nothing of this write is left behind, what stood at `final` before still stands.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listing = {name: {"sha256": hashes[name], "bytes": len(content)} for name, content in files.items()}
    manifest = canonical_json({"formatVersion": FORMAT_VERSION, "facts": dict(facts), "files": listing})
    unfinished = final.with_name(UNFINISHED_PREFIX + final.name)
    needed_bytes = len(manifest) + sum(len(content) for content in files.values())
    with refusing_when_full(final.parent, needed_bytes=needed_bytes):
        try:
            _write_unfinished(unfinished, {**files, MANIFEST_NAME: manifest})
            _swap_in(unfinished, final)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return Manifest(facts=facts, files=hashes, sha256=hashlib.sha256(manifest).hexdigest())


def read_whole(directory: Path) -> Manifest:
    """The manifest of `directory`, every listed file hashed and found equal.

    Raises:
        NotWhole: the manifest is missing or unreadable, or a file is missing or differs.
    """
    try:
        raw = (directory / MANIFEST_NAME).read_bytes()
        content = json.loads(raw)
        listing = {name: entry["sha256"] for name, entry in content["files"].items()}
        facts = content["facts"]
        version = content["formatVersion"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotWhole(f"{MANIFEST_NAME} is missing or unreadable ({type(error).__name__})") from error
    if version != FORMAT_VERSION:
        raise NotWhole(f"{MANIFEST_NAME} has format version {version}, this program reads {FORMAT_VERSION}")
    for name, expected in listing.items():
        if _file_sha256(directory / name) != expected:
            raise NotWhole(f"{name} does not match its sha256")
    return Manifest(facts=facts, files=listing, sha256=hashlib.sha256(raw).hexdigest())


def remove_unfinished(parent: Path) -> list[str]:
    """Clear away what a killed write left in `parent`; the names found.

    A directory that had stepped aside for one that never took its place goes back there.
    """
    unfinished, replaced = list(parent.glob(f"{UNFINISHED_PREFIX}*")), list(parent.glob(f"{REPLACED_PREFIX}*"))
    leftovers = unfinished + replaced
    for leftover in replaced:
        final = parent / leftover.name.removeprefix(REPLACED_PREFIX)
        if not final.exists():
            leftover.rename(final)
    for leftover in leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return sorted(leftover.name for leftover in leftovers)


@contextmanager
def refusing_when_full(path: Path, *, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn "no space" from anywhere inside, however wrapped, into a refusal.

    Raises:
        NoSpaceLeft: the disk, the quota or the file size limit is exhausted.
    """
    try:
        yield
    except Exception as error:
        if not is_no_space(error):
            raise
        raise NoSpaceLeft(path, needed_bytes=needed_bytes, free_bytes=_free_bytes(path)) from error


def is_no_space(error: BaseException | None) -> bool:
    """Whether a full disk is at the bottom of this error; libraries wrap it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE_ERRNOS:
            return True
        error = error.__cause__ or error.__context__
    return False


def _write_unfinished(unfinished: Path, files: Mapping[str, bytes]) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    for name, content in files.items():
        with (unfinished / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync_directory(unfinished)


def _swap_in(unfinished: Path, final: Path) -> None:
    """Rename into place. A directory cannot be renamed over a full one, so an old one steps aside first."""
    replaced = final.with_name(REPLACED_PREFIX + final.name)
    if final.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        final.rename(replaced)
    unfinished.rename(final)
    _sync_directory(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
