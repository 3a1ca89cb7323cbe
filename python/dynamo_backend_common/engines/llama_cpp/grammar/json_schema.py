"""JSON schemas become expressions of a grammar, whose every text fits the schema.

Not every value that fits can be made: properties come in the schema's order, those that it does not
name only where ``additionalProperties`` allows them explicitly, and white space is short. What
cannot be held to is refused, with its place in the schema.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .json_arrays import array
from .json_choices import are_exclusive, constants
from .json_keywords import KINDS, constraints, refuse, together, type_names, wrong
from .json_objects import object_, tagged_objects
from .json_scalars import integer, number, string
from .json_values import json_text
from .texts import texts_gbnf

if TYPE_CHECKING:
    from .json_values import JsonValues
    from .rules import Rules

_DEEPEST = 64


def schema_gbnf(schema: Any, rules: Rules, values: JsonValues) -> str:
    """The JSON texts whose values fit a schema.

    Args:
        schema: The schema: an object, or a bool.
        rules: Takes the rules that the expression refers to.
        values: The rules of values without a schema.

    Raises:
        InvalidArgument: It is not valid, nothing fits it, or it has what a grammar cannot say.
    """
    return Schemas(schema, rules, values).rule(schema, "#")


class Schemas:
    """A schema that is being read.

    Attributes:
        rules: Takes the rules.
        values: The rules of values without a schema.
    """

    def __init__(self, root: Any, rules: Rules, values: JsonValues) -> None:
        """Begins with nothing read; ``root`` is what references are looked up in."""
        self.rules = rules
        self.values = values
        self._root = root
        self._depth = 0
        self._names: dict[str, str] = {}
        # What is being read without a value around it: a reference to it would say nothing.
        self._open: list[str] = []
        self._following: list[str] = []

    def rule(self, schema: Any, place: str) -> str:
        """The name of the rule for the values that fit ``schema``, which is at ``place``."""
        found = constraints(schema, place)
        key = json.dumps(found, sort_keys=True)
        if key in self._open:
            wrong("the schema refers to itself", place)
        if key in self._names:
            return self._names[key]
        if self._depth == _DEEPEST:
            refuse(f"more than {_DEEPEST} schemas in each other", place)
        name = self._names[key] = self.rules.reserve()
        self._open.append(key)
        self._depth += 1
        self.rules.define(name, self._body(found, place))
        self._depth -= 1
        self._open.pop()
        return name

    def inner(self, schema: Any, place: str) -> str:
        """As `rule`, for a part of a value: it may refer to what it is a part of."""
        opened, self._open = self._open, []
        name = self.rule(schema, place)
        self._open = opened
        return name

    def resolved(self, found: dict[str, Any], place: str) -> dict[str, Any]:
        """The same keywords, with those of what ``$ref`` and ``allOf`` have in their place."""
        found, parts = dict(found), []
        if "$ref" in found:
            reference = found.pop("$ref")
            if reference in self._following:
                wrong(f"{reference!r} refers to itself", place)
            self._following.append(reference)
            target = constraints(self._target(reference, place), reference)
            parts.append(self.resolved(target, reference))
            self._following.pop()
        if "allOf" in found:
            for at, part in enumerate(_list(found.pop("allOf"), "allOf", place)):
                inside = f"{place}/allOf/{at}"
                parts.append(self.resolved(constraints(part, inside), inside))
        for part in parts:
            found = together(part, found, place)
        return found

    def _target(self, reference: Any, place: str) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            refuse(f"the reference {reference!r}, which is not into the schema itself,", place)
        found = self._root
        for step in reference.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                wrong(f"{reference!r} refers to nothing", place)
        return found

    def _body(self, found: dict[str, Any], place: str) -> str:
        if set(found) == {"$ref"}:
            # By name, as it may be what this is a part of.
            return self.rule(self._target(found["$ref"], place), found["$ref"])
        found = self.resolved(found, place)
        for name in ("anyOf", "oneOf"):
            if name in found:
                return self._branches(name, found, place)
        if "enum" in found or "const" in found:
            texts = map(json_text, constants(found, place))
            return texts_gbnf(dict.fromkeys(texts, ""), self.rules)
        return self.rules.one_of(self._of_type(name, found, place) for name in _types(found, place))

    def _branches(self, name: str, found: dict[str, Any], place: str) -> str:
        """One of some schemas, each together with what is said beside them."""
        rest = {key: value for key, value in found.items() if key != name}
        branches = _list(found[name], name, place)
        places = [f"{place}/{name}/{at}" for at in range(len(branches))]
        whole = [
            together(rest, self.resolved(constraints(branch, inside), inside), inside)
            for branch, inside in zip(branches, places, strict=True)
        ]
        if name == "oneOf" and not are_exclusive(self, whole, place):
            refuse("oneOf with branches that a value may fit two of (anyOf allows that)", place)
        tagged = tagged_objects(self, list(zip(whole, places, strict=True)))
        if tagged is not None:
            return tagged
        # By their own references where there is nothing else: they may be what this is a part of.
        read = zip(whole if rest else branches, places, strict=True)
        return self.rules.one_of(self.rule(branch, inside) for branch, inside in read)

    def _of_type(self, name: str, found: dict[str, Any], place: str) -> str:
        about = KINDS["number" if name == "integer" else name]
        mine = {key: value for key, value in found.items() if key in about}
        if name == "object":
            return object_(self, mine, place)
        if name == "array":
            return array(self, mine, place)
        if name == "string":
            return string(self.values, mine, place)
        if name == "number":
            return number(self.values, self.rules, mine, place)
        if name == "integer":
            return integer(self.values, self.rules, mine, place)
        return self.values.boolean if name == "boolean" else self.values.null


def _types(found: dict[str, Any], place: str) -> list[str]:
    """The types of values that fit: those that are named, else those that something is said of."""
    if "type" in found:
        names = type_names(found["type"], place)
    else:
        names = [name for name, keywords in KINDS.items() if keywords & set(found)]
        names = names or [name for name in KINDS if name != "integer"]
    return [name for name in names if not (name == "integer" and "number" in names)]


def _list(value: Any, name: str, place: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        wrong(f"{name} must be a list of one schema or more", place)
    return value
