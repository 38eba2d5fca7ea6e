"""Shapes of answers: the envelope, pages, and the two shapes of refusals."""

import base64
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shifty_pipelines.kernel.errors import InvalidValue

T = TypeVar("T")

MAX_PAGE = 200
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str | None, Query(max_length=200)]


class AnyTextResponse(JSONResponse):
    """JSON that can always be sent: half a character, for which UTF-8 has no bytes, is written as JSON's own escape."""

    def render(self, content: Any) -> bytes:
        """The body."""
        written = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return written.encode("utf-8", "backslashreplace")


class Ok(BaseModel, Generic[T]):
    """A success."""

    success: Literal[True] = True
    data: T


class Page(BaseModel, Generic[T]):
    """One page of a list; `nextCursor` is null at the end."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    success: Literal[True] = True
    data: list[T]
    next_cursor: str | None


class Message(BaseModel):
    """A success that has nothing to show."""

    success: Literal[True] = True
    message: str


class Refusal(BaseModel):
    """A refusal in the envelope."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    success: Literal[False] = False
    error: str
    code: str
    details: Any = None
    request_id: str


class FlatRefusal(BaseModel):
    """A refusal of the routes that clients knew before the envelope: core services 3001-3005."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    error: str
    code: str
    message: str
    correlation_id: str
    details: Any = None


def encode_cursor(at: datetime, row_id: uuid.UUID) -> str:
    """An opaque cursor after the row of this time and id."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), str(row_id)]).encode()).decode()


def decode_cursor(cursor: str | None) -> tuple[datetime, uuid.UUID] | None:
    """The position a cursor stands for.

    Raises:
        InvalidValue: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor))
        position = datetime.fromisoformat(at), uuid.UUID(row_id)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidValue("cursor", cursor, "the nextCursor of an earlier page") from error
    if position[0].tzinfo is None:
        raise InvalidValue("cursor", cursor, "the nextCursor of an earlier page")
    return position


def page_of(rows: Sequence[Any], limit: int, body: type[T]) -> Page[T]:
    """A page from up to `limit + 1` rows that have `created_at` and `id`."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = encode_cursor(shown[-1].created_at, shown[-1].id) if more else None
    return Page[body](data=[body.model_validate(row) for row in shown], next_cursor=cursor)  # type: ignore[valid-type,attr-defined]
