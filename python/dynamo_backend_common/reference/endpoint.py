"""What ``on_endpoint_ready`` gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core import AdapterCards


class ReferenceEndpoint:
    """The endpoint that is served, as far as an engine has a use for it.

    It is none of ai-dynamo's compiled module, whose functions do not take it: an engine registers
    its LoRA adapters by the methods here instead.
    """

    def __init__(self, cards: AdapterCards, worker_id: int) -> None:
        self._cards = cards
        self._worker_id = worker_id

    def connection_id(self) -> int:
        """The id that ``start`` was given."""
        return self._worker_id

    async def publish_lora(self, name: str) -> None:
        """Has frontends serve the adapter ``name`` as a model of its own.

        Raises:
            InvalidArgument: The name cannot be one.
        """
        await self._cards.publish(name)

    async def unpublish_lora(self, name: str) -> None:
        """Has frontends serve it no more."""
        await self._cards.withdraw(name)
