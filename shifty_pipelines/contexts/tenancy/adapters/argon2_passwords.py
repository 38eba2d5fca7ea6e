"""Passwords by Argon2id (RFC 9106), through argon2-cffi."""

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

    def matches(self, encoded: str, password: str) -> bool:
        """Whether the password is the one that was hashed."""
        try:
            return self._hasher.verify(encoded, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
