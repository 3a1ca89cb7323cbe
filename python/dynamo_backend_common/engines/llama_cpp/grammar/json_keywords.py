"""The keywords of JSON schemas: what each is about, and what two of them are together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset(
        [
            "properties",
            "required",
            "additionalProperties",
            "minProperties",
            "maxProperties",
            "unevaluatedProperties",
        ]
    ),
    "array": frozenset(
        [
            "items",
            "prefixItems",
            "additionalItems",
            "minItems",
            "maxItems",
            "uniqueItems",
            "unevaluatedItems",
        ]
    ),
    "string": frozenset(["minLength", "maxLength", "pattern", "format"]),
    "number": frozenset(
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
    ),
    "integer": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
}
"""The types of values, and the keywords that are about each; those of numbers are integers' too."""

_ANNOTATIONS = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "$id",
        "$defs",
        "definitions",
        "discriminator",
        "contentMediaType",
        "contentEncoding",
        "contentSchema",
        "xml",
        "externalDocs",
    ]
)
_KNOWN = frozenset(["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"]).union(
    *KINDS.values()
)


def refuse(what: str, place: str) -> NoReturn:
    """Refuses what a schema has.

    Args:
        what: It, in a sentence with "has".
        place: Where it is: a JSON pointer.

    Raises:
        InvalidArgument: Always.
    """
    raise InvalidArgument(
        f"the JSON schema has {what} at {place}, which the llama-cpp engine does not have"
    )


def wrong(what: str, place: str) -> NoReturn:
    """Refuses a schema that is not valid, or that nothing fits.

    Raises:
        InvalidArgument: Always.
    """
    raise InvalidArgument(f"the JSON schema is not valid at {place}: {what}")


def constraints(schema: Any, place: str) -> dict[str, Any]:
    """A schema's keywords, without those that only describe.

    Raises:
        InvalidArgument: It is no schema, or has a keyword that is not known.
    """
    if schema is True:
        return {}
    if schema is False:
        wrong("false is a schema that nothing fits", place)
    if not isinstance(schema, dict):
        wrong(f"a schema is an object, true or false, not {type(schema).__name__}", place)
    found = {}
    for name, value in schema.items():
        if name in _KNOWN:
            found[name] = value
        elif name not in _ANNOTATIONS and not name.startswith("x-"):
            refuse(f"the keyword {name!r}", place)
    return found


def together(one: dict[str, Any], other: dict[str, Any], place: str) -> dict[str, Any]:
    """The keywords of two schemas that a value must both fit.

    Raises:
        InvalidArgument: Nothing fits both, or they cannot be made one.
    """
    found = dict(one)
    for name, value in other.items():
        if name not in one or one[name] == value:
            found[name] = value
        elif name not in _MERGED:
            refuse(f"two different {name!r}, one by allOf or $ref,", place)
        else:
            found[name] = _MERGED[name](one[name], value, place)
    if "properties" in one or "properties" in other:
        _close(found, one, other, place)
    return found


def type_names(value: Any, place: str) -> list[str]:
    """The names of ``type``, one or a list.

    Raises:
        InvalidArgument: It is none, or names what is no type.
    """
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in KINDS for name in names):
        wrong(f"type is {value!r}; it is one of {', '.join(KINDS)}, or a list of them", place)
    return names


def _close(found: dict[str, Any], one: dict[str, Any], other: dict[str, Any], place: str) -> None:
    """A property that one of two schemas does not name is what that says of additional ones."""
    for mine, others in ((one, other), (other, one)):
        more = mine.get("additionalProperties", True)
        for name in set(others.get("properties") or {}) - set(mine.get("properties") or {}):
            if more is False:
                del found["properties"][name]
            elif isinstance(more, dict):
                found["properties"][name] = {"allOf": [found["properties"][name], more]}
    for name in found.get("required") or ():
        if name not in found["properties"] and found.get("additionalProperties") is False:
            wrong(f"the property {name!r} is required, and not allowed", place)


def _types(one: Any, other: Any, place: str) -> list[str]:
    mine, others = type_names(one, place), type_names(other, place)
    both = [name for name in mine if name in others]
    if ("number" in mine and "integer" in others) or ("integer" in mine and "number" in others):
        both.append("integer")
    if not both:
        wrong(f"no value is of the types {mine} and {others}", place)
    return list(dict.fromkeys(both))


def _values(one: Any, other: Any, place: str) -> list[Any]:
    keys = set(map(same_key, other))
    both = [value for value in one if same_key(value) in keys]
    if not both:
        wrong("no value is in both enums", place)
    return both


def _properties(one: Any, other: Any, _: str) -> dict[str, Any]:
    both = {name: {"allOf": [one[name], other[name]]} for name in one if name in other}
    return {**one, **other, **both}


def _additional(one: Any, other: Any, _: str) -> Any:
    return False if one is False or other is False else {"allOf": [one, other]}


_MERGED: Mapping[str, Callable[[Any, Any, str], Any]] = {
    "type": _types,
    "enum": _values,
    "properties": _properties,
    "required": lambda one, other, _: [*one, *other],
    "additionalProperties": _additional,
    "items": lambda one, other, _: {"allOf": [one, other]},
    **dict.fromkeys(
        ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"],
        lambda one, other, _: max(one, other),
    ),
    **dict.fromkeys(
        ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"],
        lambda one, other, _: min(one, other),
    ),
}


def same_key(value: Any) -> str:
    """A text that equal values of JSON have in common: 1 and 1.0, and not 1 and true."""
    if isinstance(value, float) and value % 1 == 0:
        value = int(value)
    return json.dumps(value, sort_keys=True)
