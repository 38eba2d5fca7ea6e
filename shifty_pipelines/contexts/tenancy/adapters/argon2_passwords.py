"""Passwords by Argon2id (RFC 9106), through argon2-cffi."""

from functools import cached_property

import argon2


class Argon2Passwords:
    """Argon2id with the parameters of RFC 9106's second recommendation (64 MiB, 3 passes) unless told otherwise."""

    def __init__(self, *, time_cost: int = 3, memory_cost_kib: int = 65_536, parallelism: int = 4) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_cost_kib, parallelism=parallelism, type=argon2.Type.ID
        )

    def hash(self, password: str) -> str:
        """An encoded Argon2id hash."""
        return self._hasher.hash(password)

    def decoy_hash(self) -> str:
        """A hash of nobody's password, made once, when first asked for: it costs 64 MiB and a tenth of a second."""
        return self._decoy_hash

    @cached_property
    def _decoy_hash(self) -> str:
        return self.hash("the password of nobody")

    def matches(self, encoded: str, password: str) -> bool:
        """Whether the password is the one that was hashed."""
        try:
            return self._hasher.verify(encoded, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
