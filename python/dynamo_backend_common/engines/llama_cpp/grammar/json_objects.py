"""Objects of JSON reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .characters import literal
from .json_keywords import refuse, wrong
from .json_scalars import count
from .json_values import json_text
from .rules import EMPTY

if TYPE_CHECKING:
    from .json_reader import Reader


def object_(reader: Reader, found: dict[str, Any], place: str) -> str:
    """The rule of objects: properties in their order, then others where they are allowed."""
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
    return reader.rules.add(f'"{{" {values.space} {_members(reader, members, other)} "}}"')


def _members(reader: Reader, members: list[tuple[str, bool]], other: str | None) -> str:
    """An expression for members: those that are required, and any of the rest."""
    rules, space = reader.rules, reader.values.space
    # What may follow, from the last to the first: where nothing is before it, and where something
    # is.
    alone = reader.values.listed(other) if other else EMPTY
    after = f'("," {space} {other})* {space}' if other else space
    for member, is_required in reversed(members):
        rest = rules.add(after)
        if is_required:
            alone = f"{member} {rest}"
            after = f'"," {space} {member} {rest}'
        else:
            alone = f"{member} {rest} | {alone}"
            after = f'("," {space} {member})? {rest}'
        alone = rules.add(alone)
    return alone


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
