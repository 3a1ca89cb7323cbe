"""What the parts of a schema's reader need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .json_values import JsonValues
    from .rules import Rules


class Reader(Protocol):
    """A schema that is being read.

    Attributes:
        rules: Takes the rules.
        values: The rules of values without a schema.
    """

    rules: Rules
    values: JsonValues

    def inner(self, schema: Any, place: str) -> str:
        """The name of the rule for a schema of a part of a value, which is at ``place``."""

    def resolved(self, found: dict[str, Any], place: str) -> dict[str, Any]:
        """The same keywords, with those of what ``$ref`` and ``allOf`` have in their place."""
