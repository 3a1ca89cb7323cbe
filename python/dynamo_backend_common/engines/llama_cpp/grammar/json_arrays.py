"""Arrays of JSON schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .json_keywords import refuse, wrong
from .json_scalars import count
from .rules import MOST_REPETITIONS

if TYPE_CHECKING:
    from .json_reader import Reader


def array(reader: Reader, found: dict[str, Any], place: str) -> str:
    """The rule of arrays: first items each with a schema of its own, then more of one kind."""
    rules, values = reader.rules, reader.values
    for name in ("uniqueItems", "unevaluatedItems"):
        if found.get(name) not in (None, False):
            refuse(f"{name!r}", place)
    first, more = _schemas(found, place)
    low = count(found, "minItems", place) or 0
    high = count(found, "maxItems", place)
    if high is not None and high < low:
        wrong(f"minItems is {low}, maxItems {high}", place)
    if low > MOST_REPETITIONS:
        refuse(f"'minItems' of more than {MOST_REPETITIONS}", place)
    if high is not None:
        first = first[:high]
    left = max(low - len(first), 0)
    if more is None:
        # Only as many as there must be; of what kind is left open.
        more, high = True, len(first) + left
    if more is False and left:
        wrong(f"minItems is {low}, and there are {len(first)} items at most", place)
    if more is False:
        high = len(first)
    most = None if high is None else high - len(first)
    items = [reader.inner(each, f"{place}/prefixItems/{at}") for at, each in enumerate(first)]
    separator = rules.add(f'"," {values.space}')
    listed = f" {separator} ".join(items)
    if most == 0:
        body = f"{listed} {values.space}" if items else ""
    else:
        item = reader.inner(more, f"{place}/items")
        if not items:
            body = values.listed(item, left, most)
        else:
            following = rules.add(f"{separator} {item}")
            body = f"{listed} {rules.repeated(following, left, most)} {values.space}"
    return rules.add(f'"[" {values.space} {body} "]"')


def _schemas(found: dict[str, Any], place: str) -> tuple[list[Any], Any]:
    """The schemas of the first items, and of the others; None: nothing is said of these."""
    items, first = found.get("items"), found.get("prefixItems", [])
    if isinstance(items, list):
        # As schemas before 2020 have it.
        first, items = items, found.get("additionalItems")
    if not isinstance(first, list):
        wrong("prefixItems must be a list", place)
    if items is None:
        items = None if first else True
    return first, items
