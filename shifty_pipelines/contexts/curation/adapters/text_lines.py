"""Lines of a text file that may hold anything: bytes that are not UTF-8, lines without an end."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: Longer lines are not kept in memory. Sixty times what an item may have; a text of 10 MB is still told by its size.
MAX_LINE_BYTES = 16 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextLines:
    """One pass over a file; bytes that are not UTF-8 become lone surrogates (PEP 383), for the reader to refuse."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = max(path.stat().st_size, 1)
        self._read_bytes = 0
        #: The numbers of lines that were cut, because they are longer than `MAX_LINE_BYTES`.
        self.cut: list[int] = []

    @property
    def fraction_read(self) -> float:
        """How much of the file is behind this pass, 0 to 1."""
        return min(self._read_bytes / self._size_bytes, 1.0)

    def __iter__(self) -> Iterator[str]:
        """The lines with their ends, the byte order mark left out."""
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                self._read_bytes += len(line)
                if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                    self.cut.append(number)
                    self._skip_line(file)
                    line = b"\n"  # what is left of it
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                yield line.decode("utf-8", "surrogateescape")

    def was_cut_between(self, first: int, last: int) -> bool:
        """Whether one of these lines was cut."""
        return any(first <= number <= last for number in self.cut)

    def _skip_line(self, file: IO[bytes]) -> None:
        while piece := file.readline(MAX_LINE_BYTES):
            self._read_bytes += len(piece)
            if piece.endswith(b"\n"):
                return
