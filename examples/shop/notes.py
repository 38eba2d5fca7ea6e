"""What was being done, attached to an error on its way up; error trackers show it below the message."""

from types import TracebackType
from typing import Literal


class During:
    """``with During("line 7 of import")``: an error that passes gets the note (PEP 678) and goes on."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if error is not None:
            error.add_note(self.what)
        return False
