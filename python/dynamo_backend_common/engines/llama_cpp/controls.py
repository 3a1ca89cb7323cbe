"""What an operator does to the engine: sleep, and wake up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_LEVELS = (1, 2)


class Sleeper(Protocol):
    """What is put to sleep."""

    async def let_go(self) -> None:
        """Gives its memory back."""

    async def take_back(self) -> None:
        """Has what it gave back again."""


class Controls:
    """The controls of an engine, by the names and bodies that vLLM has for them."""

    def __init__(self, engine: Sleeper) -> None:
        """Takes what is to sleep; it is awake."""
        self._engine = engine
        self._is_asleep = False
        self._table: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
            "is_sleeping": self._is_sleeping,
            "sleep": self._sleep,
            "wake_up": self._wake_up,
        }

    @property
    def names(self) -> list[str]:
        """The names by which they are called."""
        return list(self._table)

    def validate(self, name: str, body: Mapping[str, Any]) -> None:
        """Looks at a body before anything is done.

        Raises:
            InvalidArgument: The control would not accept it.
        """
        known = {"level"} if name == "sleep" else set()
        for key in body.keys() - known:
            accepted = ", ".join(sorted(known)) or "an empty body"
            raise InvalidArgument(f"{name}: '{key}' is not known; accepted: {accepted}")
        level = body.get("level", 1)
        if isinstance(level, bool) or level not in _LEVELS:
            raise InvalidArgument(
                f"{name}: level is {level!r}; accepted: 1 or 2, by which weights and KV cache are"
                " given back"
            )

    async def __call__(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        control = self._table.get(name)
        if control is None:
            raise InvalidArgument(
                f"llama-cpp has no control '{name}'; it has {', '.join(self._table)}"
            )
        self.validate(name, body)
        return await control(body)

    async def _sleep(self, body: Mapping[str, Any]) -> dict[str, Any]:
        # The worker has waited for requests, and has cut those that were left.
        await self._engine.let_go()
        self._is_asleep = True
        return {"status": "ok", "level": body.get("level", 1), "is_sleeping": True}

    async def _wake_up(self, _: Mapping[str, Any]) -> dict[str, Any]:
        await self._engine.take_back()
        self._is_asleep = False
        return await self._is_sleeping({})

    async def _is_sleeping(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": "ok", "is_sleeping": self._is_asleep}
