"""What a request may ask for and an engine does not have: refused by name, never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unsupported:
    """The refusals of one engine.

    ::

        unsupported = Unsupported("mine", {"sampling_options": {"n": (1,), "min_p": (0,)}})
        unsupported.refuse_in(request)
    """

    def __init__(self, engine: str, parts: Mapping[str, Mapping[str, tuple[Any, ...]]]) -> None:
        """Takes what the engine does not have.

        Args:
            engine: Its name.
            parts: By the part of the request: the options to refuse, and for each the values that
                change nothing and so are accepted. None is always accepted.
        """
        self._engine = engine
        self._parts = parts

    def refuse_in(self, request: Mapping[str, Any]) -> None:
        """Refuses a request that asks for something the engine does not have.

        Raises:
            InvalidArgument: The message names what ``request`` asks for.
        """
        for part, options in self._parts.items():
            given = request.get(part) or {}
            for name, nothing in options.items():
                self.refuse(name, given.get(name), nothing)

    def refuse(self, name: str, value: Any, nothing: tuple[Any, ...] = ()) -> None:
        """Refuses ``value``, unless it is None or one of ``nothing``, which change nothing.

        Raises:
            InvalidArgument: The message names it.
        """
        if value is None or value in nothing:
            return
        shown = f"{name} is {value}" if isinstance(value, int | float) else f"{name} is given"
        raise InvalidArgument(
            f"{shown}, which the {self._engine} engine does not have; leave it out"
        )
