"""JSON schemas that refer to themselves without end."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from ...exceptions import InvalidArgument


def refuse_endless_schema(schema: Any) -> None:
    """Refuses a schema in which following ``$ref`` and ``allOf`` leads back to where it began.

    Nothing of a text is consumed on such a way: whoever makes a grammar of it follows it until the
    stack is full, and the process with it. Through a property or an item a schema may refer to
    itself.

    Args:
        schema: A JSON schema, or its text. One that is neither is left to vLLM.

    Raises:
        InvalidArgument: It has such a circle; the message says where.
    """
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError):
            return
    done: set[int] = set()
    for node in _nodes(schema):
        _follow(node, schema, done)


def _nodes(schema: Any) -> list[dict[str, Any]]:
    """All objects of ``schema``; some are no schemas, which does not matter here."""
    found: list[dict[str, Any]] = []
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            found.append(node)
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return found


def _follow(start: dict[str, Any], root: Any, done: set[int]) -> None:
    """Follows what is the same text as ``start``, depth first, without recursion."""
    way: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    on_way: set[int] = set()

    def enter(node: dict[str, Any]) -> None:
        way.append((node, _same_text(node, root)))
        on_way.add(id(node))

    if id(start) not in done:
        enter(start)
    while way:
        node, ahead = way[-1]
        if not ahead:
            way.pop()
            on_way.discard(id(node))
            done.add(id(node))
            continue
        target = ahead.pop()
        if id(target) in on_way:
            raise InvalidArgument(
                f"guided_decoding.json refers to itself without end, by way of"
                f" {node.get('$ref', 'allOf')!r}; let the circle go through a property or an item"
            )
        if id(target) not in done:
            enter(target)


def _same_text(node: dict[str, Any], root: Any) -> list[dict[str, Any]]:
    """Schemas that have to match the very text that ``node`` matches."""
    all_of = node.get("allOf")
    found = [part for part in all_of if isinstance(part, dict)] if isinstance(all_of, list) else []
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith("#"):
        target = _resolve(ref[1:], root)
        if isinstance(target, dict):
            found.append(target)
    return found


def _resolve(pointer: str, root: Any) -> Any:
    """What a JSON pointer of a fragment points to; None: nothing."""
    target = root
    for token in unquote(pointer).split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict):
            target = target.get(name)
        elif isinstance(target, list) and name.isdecimal() and int(name) < len(target):
            target = target[int(name)]
        else:
            return None
    return target
