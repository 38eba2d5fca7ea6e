"""Secrets of this installation as files: made once, 0600 inside a 0700 folder.

Written so that a crash leaves all or nothing, and two first starts agree.
"""

import os
import secrets
import uuid
from pathlib import Path


def secret_file(directory: Path, name: str, *, default: str | None = None) -> str:
    """The secret `name`, created with 256 random bits (or `default`) on first use.

    Two processes that create it at once both return the one that was linked first.
    """
    path = directory / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        value = secrets.token_urlsafe(32) if default is None else default
        _write_new(path, value)
        return path.read_text(encoding="utf-8")


def installation_id(directory: Path) -> uuid.UUID:
    """The id of this installation, made on first use; key files and the database carry it too."""
    return uuid.UUID(
        secret_file(directory, "installation-id", default=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))
    )


def _write_new(path: Path, value: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike rename, link never replaces what another process made first
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
