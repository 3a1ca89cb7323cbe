"""Structural tags, as xgrammar has them: free text with parts between them that have a form.

A frontend makes them for tool calls in a model's own notation.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .characters import literal
from .free_text import free_text
from .json_keywords import constraints
from .json_schema import schema_gbnf
from .regex import regex_gbnf
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .json_values import JsonValues
    from .rules import Rules

_DEEPEST = 32


def structural_tag_gbnf(value: Any, rules: Rules, values: JsonValues) -> str:
    """The texts that a structural tag allows, as an expression of a grammar.

    Args:
        value: The tag: an object, or its text.
        rules: Takes the rules that the expression refers to.
        values: The rules of JSON.

    Raises:
        InvalidArgument: It is not valid, or has a format that a grammar does not have.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidArgument(f"the structural tag is no JSON: {error}") from None
    if not isinstance(value, dict) or "format" not in value:
        raise InvalidArgument("a structural tag is an object with a 'format'")
    return _Formats(rules, values).rule(value["format"], "format")


class _Formats:
    """Reads formats, each at a place in the tag."""

    def __init__(self, rules: Rules, values: JsonValues) -> None:
        self._rules = rules
        self._values = values
        self._depth = 0
        self._tags_around = 0
        self._by_type: dict[str, Callable[[dict[str, Any], str], str]] = {
            "any_text": lambda found, place: self._text(found, place, "excludes"),
            "any_tokens": lambda found, place: self._text(found, place, "exclude_tokens"),
            "const_string": lambda found, place: _literal(_field(found, "value", str, place)),
            "json_schema": self._json,
            "optional": lambda found, place: f"{self._content(found, place)}?",
            "or": self._or,
            "regex": lambda found, place: regex_gbnf(
                _field(found, "pattern", str, place), self._rules
            ),
            "sequence": self._sequence,
            "star": lambda found, place: f"{self._content(found, place)}*",
            "tag": self._tag,
            "tags_with_separator": self._tags_with_separator,
            "triggered_tags": self._triggered_tags,
        }

    def rule(self, found: Any, place: str) -> str:
        """The name of the rule for the texts of a format."""
        kind = found.get("type") if isinstance(found, dict) else None
        if kind not in self._by_type:
            raise InvalidArgument(
                f"the structural tag has a {place} of type {kind!r}, which the llama-cpp engine "
                f"does not have: it has {', '.join(self._by_type)}"
            )
        self._depth += 1
        if self._depth > _DEEPEST:
            raise InvalidArgument(f"the structural tag has more than {_DEEPEST} formats in another")
        name = self._rules.add(self._by_type[kind](found, place) or EMPTY)
        self._depth -= 1
        return name

    def _content(self, found: dict[str, Any], place: str) -> str:
        return self.rule(found.get("content"), f"{place}.content")

    def _text(self, found: dict[str, Any], place: str, name: str) -> str:
        return free_text(self._rules, _texts(found, name, place))

    def _json(self, found: dict[str, Any], place: str) -> str:
        style = found.get("style", "json")
        if style != "json":
            raise InvalidArgument(
                f"the structural tag has a {place}.style of {style!r}, which the llama-cpp engine "
                "does not have: it has json"
            )
        schema = found.get("json_schema")
        if self._tags_around and not constraints(schema, "#"):
            # Of a tool that says nothing of its parameters: no call's arguments are a number.
            schema = {"type": "object"}
        return schema_gbnf(schema, self._rules, self._values)

    def _or(self, found: dict[str, Any], place: str) -> str:
        return " | ".join(self._elements(found, place))

    def _sequence(self, found: dict[str, Any], place: str) -> str:
        return " ".join(self._elements(found, place))

    def _elements(self, found: dict[str, Any], place: str) -> list[str]:
        elements = _field(found, "elements", list, place)
        return [self.rule(each, f"{place}.elements[{at}]") for at, each in enumerate(elements)]

    def _tag(self, found: dict[str, Any], place: str) -> str:
        begin, end = (_field(found, name, str, place) for name in ("begin", "end"))
        content = found.get("content")
        if isinstance(content, dict) and content.get("type") == "any_text" and end:
            # It goes on until the end comes, so that is not in it.
            excluded = _texts(content, "excludes", f"{place}.content")
            inside = free_text(self._rules, {*excluded, end})
        else:
            self._tags_around += 1
            inside = self._content(found, place)
            self._tags_around -= 1
        return f"{_literal(begin)} {inside} {_literal(end)}"

    def _tags(self, found: dict[str, Any], place: str) -> str:
        names = []
        for at, tag in enumerate(_field(found, "tags", list, place)):
            form = {"type": "tag", **tag} if isinstance(tag, dict) else tag
            names.append(self.rule(form, f"{place}.tags[{at}]"))
        return self._rules.one_of(names)

    def _tags_with_separator(self, found: dict[str, Any], place: str) -> str:
        separator = _literal(_field(found, "separator", str, place))
        tags = self._tags(found, place)
        listed = tags if found.get("stop_after_first") else f"{tags} ({separator} {tags})*"
        return listed if found.get("at_least_one") else f"({listed})?"

    def _triggered_tags(self, found: dict[str, Any], place: str) -> str:
        """Free text up to a trigger, with which one of the tags begins; and so on."""
        triggers = _texts(found, "triggers", place)
        for at, tag in enumerate(_field(found, "tags", list, place)):
            begin = tag.get("begin") if isinstance(tag, dict) else None
            if not isinstance(begin, str) or not begin.startswith(tuple(triggers)):
                raise InvalidArgument(
                    f"the structural tag has a {place}.tags[{at}] that begins with no trigger"
                )
        excluded = [*triggers, *_texts(found, "excludes", place)]
        tags, text = self._tags(found, place), free_text(self._rules, excluded)
        if found.get("stop_after_first"):
            return tags if found.get("at_least_one") else f"{text} {tags}?"
        rest = self._rules.reserve()
        self._rules.define(rest, f"{text} ({tags} {rest})?")
        return f"{tags} {rest}" if found.get("at_least_one") else rest


def _field(found: dict[str, Any], name: str, kind: type, place: str) -> Any:
    value = found.get(name)
    if not isinstance(value, kind) or (kind is list and not value):
        raise InvalidArgument(f"the structural tag's {place}.{name} must be a {kind.__name__}")
    return value


def _texts(found: dict[str, Any], name: str, place: str) -> list[str]:
    texts = found.get(name)
    if texts is None:
        return []
    if not isinstance(texts, list) or not all(text and isinstance(text, str) for text in texts):
        raise InvalidArgument(f"the structural tag's {place}.{name} must be a list of texts")
    return texts


def _literal(text: str) -> str:
    if "\0" in text:
        raise InvalidArgument("the structural tag has a character NUL, which no output can have")
    return literal(text)
