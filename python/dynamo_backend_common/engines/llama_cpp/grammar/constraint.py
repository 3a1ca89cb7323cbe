"""What a request's output is held to, as a grammar of llama.cpp's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .gbnf_check import check_gbnf
from .json_schema import schema_gbnf
from .json_values import JsonValues
from .regex import regex_gbnf
from .rules import EMPTY, Rules
from .structural_tag import structural_tag_gbnf
from .texts import texts_gbnf

if TYPE_CHECKING:
    from ....guided_decoding import GuidedDecoding


def constraint_gbnf(guided: GuidedDecoding) -> str:
    """The grammar for a constraint, one that llama.cpp can use; takes its time where it is large.

    Raises:
        InvalidArgument: It is not valid, or has what a grammar cannot say; the message names it.
    """
    try:
        return check_gbnf(_gbnf(guided))
    except InvalidArgument as error:
        raise InvalidArgument(f"guided_decoding.{guided.kind}: {error}") from None
    except RecursionError:
        raise InvalidArgument(f"guided_decoding.{guided.kind} is nested too deeply") from None


def _gbnf(guided: GuidedDecoding) -> str:
    rules = Rules()
    if guided.kind == "json":
        values = JsonValues(rules, guided.whitespace_pattern)
        return rules.text(schema_gbnf(_schema(guided.value), rules, values))
    if guided.kind == "structural_tag":
        values = JsonValues(rules, guided.whitespace_pattern)
        return rules.text(structural_tag_gbnf(guided.value, rules, values))
    if guided.whitespace_pattern is not None:
        raise InvalidArgument("whitespace_pattern goes with JSON only; leave it out")
    if guided.kind == "regex":
        return rules.text(regex_gbnf(guided.value, rules) or EMPTY)
    if guided.kind == "choice":
        if any("\0" in choice for choice in guided.value):
            raise InvalidArgument("a choice has a character NUL, which no output can have")
        return rules.text(texts_gbnf(dict.fromkeys(guided.value, ""), rules))
    return str(guided.value)


def _schema(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise InvalidArgument(f"the JSON schema is no JSON: {error}") from None
