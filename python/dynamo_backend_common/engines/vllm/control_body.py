"""What a control is called with, read key by key, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

Reply: TypeAlias = dict[str, Any]
Control: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Reply]]


def failed(message: str) -> Reply:
    """The reply of a control that did nothing."""
    return {"status": "error", "message": message}


class Body:
    """What a control was called with.

    Every method raises `InvalidArgument`, naming control and key, where a value is not accepted.
    """

    def __init__(self, control: str, body: Mapping[str, Any], keys: Sequence[str] = ()) -> None:
        """Takes a body that may have ``keys`` and no others; a null is a key that is left out."""
        self._control = control
        self._body = {key: value for key, value in body.items() if value is not None}
        unknown = sorted(self._body.keys() - set(keys))
        if unknown:
            known = ", ".join(keys) or "none"
            raise InvalidArgument(f"{control}: unknown key {unknown[0]!r}; known: {known}")

    def flag(self, key: str, default: bool) -> bool:
        """A true or false."""
        value = self._body.get(key, default)
        if not isinstance(value, bool):
            raise self._refused(key, "true or false")
        return value

    def number(self, key: str, default: int | None, *, least: int, most: int | None = None) -> Any:
        """A whole number from ``least`` to ``most``."""
        value = self._body.get(key, default)
        if key in self._body and (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < least
            or (most is not None and value > most)
        ):
            wanted = f"{least} to {most}" if most is not None else f"{least} or more"
            raise self._refused(key, f"a whole number, {wanted}")
        return value

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._body.get(key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise self._refused(key, "a text that is not empty")
        return value

    def required_text(self, key: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if value is None:
            raise InvalidArgument(f"{self._control}: {key} is missing")
        return value

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """One of some texts."""
        value = self._body.get(key, default)
        if value not in choices:
            raise self._refused(key, ", ".join(choices))
        return str(value)

    def choices(self, key: str, choices: Sequence[str]) -> list[str] | None:
        """A list of some texts, with one at least."""
        value = self._body.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(one in choices for one in value):
            raise self._refused(key, f"a list of {', '.join(choices)}")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """A JSON object; empty where it is left out."""
        value = self._body.get(key, {})
        if not isinstance(value, dict):
            raise self._refused(key, "a JSON object")
        return value

    def payload(self, key: str) -> dict[str, Any] | list[dict[str, Any]]:
        """A JSON object that must be there, or a list of them."""
        value = self._body.get(key)
        if isinstance(value, dict):
            return value
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return value
        raise self._refused(key, "a JSON object, or a list of them")

    def _refused(self, key: str, wanted: str) -> InvalidArgument:
        value = self._body.get(key)
        return InvalidArgument(f"{self._control}: {key} is {value!r}; accepted: {wanted}")
