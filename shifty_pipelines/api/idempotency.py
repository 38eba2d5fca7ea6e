"""Idempotency-Key: the same key and body give the same answer, once, for 24 hours.

The key's row is written in the transaction of what it guards, so a crash leaves both or neither. Stored are ids only;
the answer is rendered again from the rows as they are.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import uuid
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request

from shifty_pipelines.api.guard import Call, CallDep
from shifty_pipelines.kernel.errors import Conflict
from shifty_pipelines.kernel.idempotency import IdempotencyKeys
from shifty_pipelines.services import Services

MAX_KEY_CHARS = 255


class KeyReused(Conflict):
    """The key was used for another body."""

    code = "idempotency.key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key '{key}' was used with another body; send a new key for a new request.")


class KeyRunning(Conflict):
    """A request with this key is being worked on."""

    code = "idempotency.in_progress"

    def __init__(self, key: str) -> None:
        super().__init__(f"A request with Idempotency-Key '{key}' is still running; ask again in a moment.")


class Once:
    """Runs a creation once per key; without a key, every time."""

    def __init__(self, call: Call, route: str, key: str | None, body: bytes) -> None:
        self._call = call
        self._route = route
        self._key = key
        self._request_hash = hashlib.sha256(body).digest()

    def run(self, services: Services, create: Callable[[], uuid.UUID]) -> uuid.UUID:
        """The id that `create` gives, now or when the key was first used.

        Raises:
            KeyReused: the key came with another body before.
            KeyRunning: the first request with the key has not ended.
        """
        if self._key is None:
            return create()
        keys = IdempotencyKeys(services.work, self._route, self._key)
        if not keys.try_lock():
            raise KeyRunning(self._key)
        used = keys.find()
        if used is None:
            created = create()
            keys.remember(self._request_hash, created)
            return created
        if used.request_hash != self._request_hash:
            raise KeyReused(self._key)
        return used.result_id


async def once(
    request: Request,
    call: CallDep,
    key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=MAX_KEY_CHARS)] = None,
) -> Once:
    """The `Once` of this request."""
    route = f"{request.method} {request.url.path}"
    return Once(call, route, key, await request.body())


OnceDep = Annotated[Once, Depends(once)]
