"""How a stored object is encrypted: Tink streaming AEAD, AES256-GCM-HKDF with segments of 1 MiB.

Memory stays at a few segments whatever the object's size; altered, reordered and missing segments are noticed.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from tink import TinkError, proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2
from typing_extensions import Buffer

SEGMENT_BYTES = 1 << 20

streaming_aead.register()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What went through an encryption."""

    plaintext_bytes: int
    plaintext_sha256: str
    ciphertext_bytes: int


def encrypt(key: bytes, source: BinaryIO, target: BinaryIO, binding: bytes) -> Copied:
    """Read `source` to its end and write its ciphertext to `target`, which stays open.

    Args:
        key: 32 bytes.
        source: plaintext, read in segments.
        target: receives the ciphertext.
        binding: associated data; the same is needed to decrypt.

    Raises:
        OSError: whatever reading or writing raised, as it was.
    """
    pipe = _Target(target)
    digest, size = hashlib.sha256(), 0
    encrypting = _streaming_aead(key).new_encrypting_stream(pipe, binding)
    try:
        while chunk := source.read(SEGMENT_BYTES):
            encrypting.write(chunk)
            pipe.raise_failure()
            digest.update(chunk)
            size += len(chunk)
    finally:
        encrypting.close()
    pipe.raise_failure()
    return Copied(plaintext_bytes=size, plaintext_sha256=digest.hexdigest(), ciphertext_bytes=pipe.written_bytes)


def decrypting_stream(key: bytes, source: BinaryIO, binding: bytes, broken: Exception) -> BinaryIO:
    """The plaintext of `source`; closing it closes `source`. Reading raises `broken` where the ciphertext is wrong."""
    pipe = _Source(source)
    decrypting = _streaming_aead(key).new_decrypting_stream(pipe, binding)
    return io.BufferedReader(_Plaintext(decrypting, pipe, broken), SEGMENT_BYTES)


def _streaming_aead(key: bytes) -> Any:
    streaming_key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=SEGMENT_BYTES, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        ),
    )
    key_data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=streaming_key.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    keyset = tink_pb2.Keyset(
        primary_key_id=1,
        key=[
            tink_pb2.Keyset.Key(key_data=key_data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
        ],
    )
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class _Target(io.RawIOBase):
    """Between Tink and the file it writes.

    Tink flattens a failed write into a text and fails again when its stream is closed or collected. So this keeps the
    first failure as it was and swallows what comes after it; nobody takes the result for an object.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._failure: Exception | None = None
        self.written_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer, /) -> int:
        size_bytes = memoryview(content).nbytes
        if self._failure is None:
            try:
                self._file.write(content)
            except Exception as failure:  # noqa: BLE001 - kept whole, and raised by `raise_failure`
                self._failure = failure
            self.written_bytes += size_bytes
        return size_bytes

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Source(io.RawIOBase):
    """Between Tink and the file it reads: keeps a failed read as it was, lest it pass for a broken object."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except Exception as failure:
            self.failure = failure
            raise

    def close(self) -> None:
        self._file.close()
        super().close()


class _Plaintext(io.RawIOBase):
    """Tink's decrypted stream, with failures that say what happened."""

    def __init__(self, decrypting: BinaryIO, source: _Source, broken: Exception) -> None:
        super().__init__()
        self._decrypting = decrypting
        self._source = source
        self._broken = broken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        try:
            return cast("io.BufferedReader", self._decrypting).readinto(buffer)
        except TinkError as error:
            raise (self._source.failure or self._broken) from error

    def close(self) -> None:
        self._decrypting.close()
        super().close()
