"""What stands on the wire: camelCase JSON, and how request bodies treat fields nobody asked for."""

from collections.abc import Iterator
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel

from shifty_pipelines.kernel.characters import SURROGATE

log = structlog.get_logger()

#: Fields only the server may set; a body that carries one is refused instead of being half obeyed.
SERVER_OWNED = frozenset(
    {"id", "status", "createdAt", "updatedAt", "deletedAt", "approvedAt", "completedAt", "assignedAt", "xp", "coins",
     "level", "levelAchieved", "certificate", "signatureHash", "checksum", "passwordHash"}
)  # fmt: skip

#: Compared with the caller's own by the HTTP guard, whatever the body.
GUARDED = frozenset({"tenantId"})


class WireModel(BaseModel):
    """A response: camelCase names, built from attributes of rows and views."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class RequestBody(BaseModel):
    """A request body: camelCase names; unknown fields are ignored and logged, server-owned ones refused (400).

    So are lone surrogates, but in the fields that are sealed exactly as they came.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )
    #: Server-owned names that this body may carry all the same, e.g. `status` where a person sets a status.
    may_set: ClassVar[frozenset[str]] = frozenset()
    #: Fields that may hold lone surrogates: sealed texts, and bodies within this one, which look for themselves.
    any_text: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _look_at_strangers(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        known = {field.alias or name for name, field in cls.model_fields.items()}
        strangers = {str(name) for name in body} - known - GUARDED
        owned = sorted((strangers & SERVER_OWNED) - cls.may_set)
        if owned:
            raise ValueError(f"{', '.join(owned)} is set by the server; leave it out")
        if strangers:
            log.info("request.unknown_fields", body=cls.__name__, fields=sorted(strangers)[:20])
        return body

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_half_characters(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name not in cls.any_text and any(SURROGATE.search(text) for text in _texts(value)):
            raise ValueError("half a character (a lone surrogate) is in it; send Unicode text")
        return value


def _texts(value: Any) -> Iterator[str]:
    """Every text and key of a JSON value; without recursion, for nobody has looked at its depth yet."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend((*one.keys(), *one.values()))
        elif isinstance(one, list):
            waiting.extend(one)
