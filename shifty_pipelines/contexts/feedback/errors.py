"""What feedback refuses, and why. Text from outside is sealed, so no refusal repeats it."""

from shifty_pipelines.kernel.errors import InvalidValue


class TextTooLong(InvalidValue):
    """A reported text exceeds its limit; told by its length, never by its words."""

    code = "feedback.text_too_long"

    def __init__(self, field: str, *, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            field, _Length(size_bytes), f"at most {max_bytes} bytes of UTF-8; cut it short before sending it again"
        )


class InvalidMetadata(InvalidValue):
    """Reported metadata is no JSON object that can be kept and given back as it came."""

    code = "feedback.invalid_metadata"

    def __init__(self, *, max_depth: int) -> None:
        super().__init__(
            "metadata",
            _NotJson(),
            f"a JSON object of at most {max_depth} levels, without NaN and infinities; "
            "flatten it or leave out what cannot be written as JSON",
        )


class InvalidLabel(InvalidValue):
    """A short text that stands in the clear is empty, too long, or holds what a database text cannot."""

    code = "feedback.invalid_label"

    def __init__(self, field: str, value: str, *, max_chars: int) -> None:
        super().__init__(
            field, value, f"1 to {max_chars} characters without NUL and lone surrogates; correct it at the sender"
        )


class _Length(int):
    """Stands for a text in a message."""

    def __repr__(self) -> str:
        return f"{int(self)} bytes long"


class _NotJson:
    """Stands for metadata in a message."""

    def __repr__(self) -> str:
        return "not what can be kept"
