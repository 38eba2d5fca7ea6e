"""An item's payload as text: how it is stored, how large it may be, and when two payloads say the same."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_PAYLOAD_BYTES = 256 * 1024

#: Half a SHA-256: two of a billion different texts share one with a chance below 1e-20.
DIGEST_BYTES = 16


def stored_form(payload: Mapping[str, Any]) -> str:
    """The payload as compact JSON.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON, or nested too deeply.
    """
    return json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def size_bytes(stored: str) -> int:
    """How many bytes a stored form takes; a lone surrogate counts as three."""
    return len(stored.encode("utf-8", "surrogatepass"))


def same_text_form(payload: Mapping[str, Any]) -> str:
    """Equal for payloads that differ only in composed characters (NFC), line ends, or white space around a text."""
    return stored_form({name: _plain(payload[name]) for name in sorted(payload)})


def digest(text: str) -> bytes:
    """A short digest for memory only; what is stored needs `TenantHmac`, because short texts can be guessed."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", value).replace("\r\n", "\n").strip()
