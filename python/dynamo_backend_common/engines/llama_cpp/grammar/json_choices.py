"""Values that JSON schemas list, and whether a value can fit only one of some schemas."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .json_keywords import KINDS, constraints, refuse, same_key, type_names, wrong

if TYPE_CHECKING:
    from .json_reader import Reader

_TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    ),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def constants(found: dict[str, Any], place: str) -> list[Any]:
    """The values of ``enum`` and ``const``, those of the right type."""
    names = type_names(found["type"], place) if "type" in found else list(KINDS)
    values = found.get("enum", [found.get("const")])
    if not isinstance(values, list):
        wrong("enum must be a list", place)
    for name in found:
        if name not in ("enum", "const", "type") and _is_about(name, values):
            refuse(f"{name!r} with enum or const", place)
    values = [value for value in values if any(_TYPES[name](value) for name in names)]
    if "const" in found:
        values = [value for value in values if same_key(value) == same_key(found["const"])]
    if not values:
        wrong("no value of enum or const is allowed", place)
    return values


def are_exclusive(reader: Reader, branches: list[dict[str, Any]], place: str) -> bool:
    """Whether a value can be seen to fit one of ``branches`` at most."""
    return all(_differ(reader, one, other, place) for one, other in combinations(branches, 2))


def _differ(reader: Reader, one: dict[str, Any], other: dict[str, Any], place: str) -> bool:
    mine, others = _listed(one, place), _listed(other, place)
    if mine is not None and others is not None and not mine & others:
        return True
    types, other_types = _kinds(one, place), _kinds(other, place)
    if not types & other_types:
        return True
    if types & other_types != {"object"}:
        return False
    required = set(one.get("required") or ()) & set(other.get("required") or ())
    for name in required:
        inner = [
            reader.resolved(
                constraints((each.get("properties") or {}).get(name, True), place), place
            )
            for each in (one, other)
        ]
        if all(inner) and _differ(reader, inner[0], inner[1], place):
            return True
    return False


def _kinds(found: dict[str, Any], place: str) -> set[str]:
    """The types that a value may have, with integers as numbers."""
    values = _listed(found, place)
    names = type_names(found["type"], place) if "type" in found else list(KINDS)
    if values is not None:
        names = [name for name in names if any(_TYPES[name](json.loads(value)) for value in values)]
    return {"number" if name == "integer" else name for name in names}


def _listed(found: dict[str, Any], place: str) -> set[str] | None:
    if "enum" not in found and "const" not in found:
        return None
    about: dict[str, Any] = {
        name: found[name] for name in ("enum", "const", "type") if name in found
    }
    return set(map(same_key, constants(about, place)))


def _is_about(name: str, values: list[Any]) -> bool:
    kinds = [kind for kind, keywords in KINDS.items() if name in keywords]
    return any(_TYPES[kind](value) for kind in kinds for value in values)
