"""Objects of JSON schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .characters import literal
from .json_choices import constants
from .json_keywords import KINDS, constraints, refuse, wrong
from .json_scalars import count
from .json_values import json_text
from .rules import EMPTY
from .texts import texts_gbnf

if TYPE_CHECKING:
    from .json_reader import Reader


_TAGGED = KINDS["object"] | {"type"}


def object_(reader: Reader, found: dict[str, Any], place: str) -> str:
    """The rule of objects: properties in their order, then others where they are allowed."""
    members, _ = _members(reader, found, place)
    return reader.rules.add(f'"{{" {reader.values.space} {members} "}}"')


def tagged_objects(reader: Reader, schemas: list[tuple[dict[str, Any], str]]) -> str | None:
    """The rule of objects of several schemas, told apart by what their first property is.

    What they begin with is in the grammar once, so that few ways are open at a time: with many
    tools to call, llama.cpp would follow as many.

    Args:
        reader: Reads the schemas of their properties.
        schemas: Their keywords, and where each is.

    Returns:
        The name of the rule; None: they are not of that kind.
    """
    space, names, following = reader.values.space, set[str](), dict[str, str]()
    for found, place in schemas:
        properties, required = found.get("properties"), found.get("required")
        if found.get("type") != "object" or set(found) - _TAGGED or not required or not properties:
            return None
        name, schema = next(iter(properties.items()))
        tag = reader.resolved(constraints(schema, place), place)
        if name not in required or not {"enum", "const"} & set(tag):
            return None
        names.add(name)
        _, rest = _members(reader, found, place)
        for text in map(json_text, constants(tag, f"{place}/properties/{name}")):
            if text in following:
                return None
            following[text] = f'{rest} "}}"'
    if len(names) != 1:
        return None
    key, texts = literal(json_text(names.pop())), texts_gbnf(following, reader.rules)
    return reader.rules.add(f'"{{" {space} {key} ":" {space} {texts}')


def _members(reader: Reader, found: dict[str, Any], place: str) -> tuple[str, str]:
    """The rules of an object's members: of all, and of what follows the first one."""
    members, other = _parts(reader, found, place)
    rules, space = reader.rules, reader.values.space
    # What may follow, from the last to the first: where nothing is before it, and where something
    # is.
    alone = reader.values.listed(other) if other else EMPTY
    after = f'("," {space} {other})* {space}' if other else space
    rest = rules.add(after)
    for member, is_required in reversed(members):
        rest = rules.add(after)
        if is_required:
            alone = f"{member} {rest}"
            after = f'"," {space} {member} {rest}'
        else:
            alone = f"{member} {rest} | {alone}"
            after = f'("," {space} {member})? {rest}'
        alone = rules.add(alone)
    return alone, rest


def _parts(
    reader: Reader, found: dict[str, Any], place: str
) -> tuple[list[tuple[str, bool]], str | None]:
    """An object's members, each with whether it is required, and any other that it may have."""
    values = reader.values
    properties = found.get("properties", {})
    if not isinstance(properties, dict):
        wrong("properties must be an object", place)
    required = found.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        wrong("required must be a list of texts", place)
    more = found.get("additionalProperties", "properties" not in found)
    if found.get("unevaluatedProperties") not in (None, False):
        refuse("'unevaluatedProperties' other than false", place)
    unnamed = [name for name in required if name not in properties]
    if unnamed and found.get("additionalProperties") is False:
        wrong(f"the property {unnamed[0]!r} is required, and not allowed", place)
    # Those that are required without a schema of their own have that of additional ones.
    unspecified = found.get("additionalProperties", True)
    properties = {**properties, **dict.fromkeys(unnamed, unspecified)}
    _check_counts(found, properties, required, more, place)
    members = [
        (
            values.member(
                literal(json_text(name)), reader.inner(schema, f"{place}/properties/{name}")
            ),
            name in required,
        )
        for name, schema in properties.items()
        if schema is not False
    ]
    other = None
    if more is not False:
        key = values.other_key(properties) if properties else values.string
        value = reader.inner(more, f"{place}/additionalProperties")
        other = values.member(key, value)
    return members, other


def _check_counts(
    found: dict[str, Any], properties: dict[str, Any], required: list[str], more: Any, place: str
) -> None:
    """Refuses limits of the number of properties that the rest of the schema does not hold to."""
    low = count(found, "minProperties", place) or 0
    high = count(found, "maxProperties", place)
    if low > len(set(required)):
        refuse(f"'minProperties' of more than the {len(set(required))} that are required", place)
    if high is not None and (more is not False or high < len(properties)):
        refuse("'maxProperties' of less than all properties that are allowed", place)
