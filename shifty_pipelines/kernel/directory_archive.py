"""A flat directory as one stream, to be stored as one object: a tar of regular files, the same bytes every time."""

import io
import tarfile
from pathlib import Path
from typing import BinaryIO

from shifty_pipelines.kernel.errors import ShiftyError


class ArchiveMalformed(ShiftyError):
    """The archive holds something else than the files of one flat directory."""

    status = 500
    code = "kernel.archive_malformed"

    def __init__(self, member: str) -> None:
        super().__init__(f"The archive holds {member!r}, which is no file of one flat directory; produce it again.")


def pack_directory(directory: Path, archive: Path) -> None:
    """Write the regular files of `directory` into `archive`, a new file that only its owner can read."""
    with archive.open("xb") as target, tarfile.open(fileobj=target, mode="w") as tar:
        archive.chmod(0o600)
        for path in sorted(directory.iterdir()):
            member = tarfile.TarInfo(f"{directory.name}/{path.name}")
            member.size, member.mode = path.stat().st_size, 0o600
            with path.open("rb") as content:
                tar.addfile(member, content)


def unpack_directory(source: BinaryIO, parent: Path) -> Path:
    """Make the packed directory again inside `parent`; its path.

    Raises:
        ArchiveMalformed: a member is no file of one flat directory.
    """
    found: Path | None = None
    # Streaming mode: the store's plaintext cannot be sought.
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            folder, _, name = member.name.partition("/")
            is_plain = member.isreg() and Path(name).name == name and name and Path(folder).name == folder
            if not is_plain or folder.startswith("..") or (found is not None and found.name != folder):
                raise ArchiveMalformed(member.name)
            found = parent / folder
            found.mkdir(mode=0o700, exist_ok=True)
            content = tar.extractfile(member) or io.BytesIO()
            (found / name).write_bytes(content.read())
            (found / name).chmod(0o600)
    if found is None:
        raise ArchiveMalformed("nothing")
    return found
