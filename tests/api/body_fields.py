"""The fields of a route's JSON body, nested ones too, as its OpenAPI document names them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Where a field stands in a body: names, and 0 for the one element of a list.
Where = tuple[str | int, ...]


@dataclass(frozen=True)
class BodyField:
    """One field that takes a text, a list of texts, or any JSON object."""

    where: Where
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As a refusal names it."""
        return ".".join(map(str, self.where))


def body_fields(document: Mapping[str, Any], verb: str, path: str) -> list[BodyField]:
    """Every such field of this route's body; none where it takes no body."""
    content = document["paths"][path][verb.lower()].get("requestBody", {}).get("content", {})
    if not content:
        return []
    return list(_fields(document["components"]["schemas"], content["application/json"]["schema"], ()))


def with_value(body: Any, where: Where, value: object) -> Any:
    """The body with this value there; what is missing on the way is made."""
    if not where:
        return value
    step, rest = where[0], where[1:]
    if isinstance(step, int):
        return [with_value(None, rest, value)]
    return {**(body or {}), step: with_value((body or {}).get(step), rest, value)}


def _fields(schemas: Mapping[str, Any], schema: Mapping[str, Any], where: Where) -> Iterator[BodyField]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choice in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _fields(schemas, choice, where)
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(schemas, inner, (*where, name))
    if schema.get("type") == "array":
        yield from _fields(schemas, schema["items"], (*where, 0))
    takes_text = schema.get("type") == "string" or isinstance(schema.get("const"), str)
    if takes_text or (schema.get("type") == "object" and "properties" not in schema):
        yield BodyField(where, schema)
