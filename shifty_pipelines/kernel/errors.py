"""Refusals: every business error carries an HTTP status and a stable code, and says what to do.

Anything that is not a `ShiftyError` is a bug and becomes a 500.
"""

import reprlib
from collections.abc import Mapping
from typing import Any, ClassVar


class ShiftyError(Exception):
    """A refusal: what happened, with which value, and what to do about it.

    Subclasses set `status` (an HTTP status) and `code` (`<context>.<reason>`), and build their own message.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "kernel.refused"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


class NotFound(ShiftyError):
    """Nothing by that id in this tenant; another tenant's id answers exactly the same."""

    status = 404
    code = "kernel.not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")


class InvalidValue(ShiftyError):
    """A value from outside is malformed or out of range; names the field and the value."""

    status = 400
    code = "kernel.invalid_value"

    def __init__(self, field: str, value: object, expected: str) -> None:
        shown = reprlib.repr(value)
        super().__init__(f"{field} is {shown}; expected {expected}", field=field)


class Forbidden(ShiftyError):
    """The caller is known but may not do this."""

    status = 403
    code = "auth.forbidden"


class Conflict(ShiftyError):
    """The request is fine in itself but not in the present state."""

    status = 409
    code = "kernel.conflict"


class TooMany(ShiftyError):
    """Too often, too fast; the same request may succeed after `retry_after_s`."""

    status = 429
    code = "kernel.too_many"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, retryAfterS=retry_after_s)
        self.retry_after_s = retry_after_s
