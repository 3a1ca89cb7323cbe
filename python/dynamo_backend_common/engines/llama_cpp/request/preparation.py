"""What llama.cpp reads for a request before it can run: its grammar, and what DRY looks for."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from ....exceptions import EngineShutdown
from ..grammar.constraint import constraint_gbnf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....guided_decoding import GuidedDecoding
    from ..binding.grammar import Grammar
    from ..binding.model import Model
    from .generation import Generation

_KEPT = 64


class Preparation:
    """Has each read once while it is in use, in a thread: it may take seconds.

    It belongs to the event loop, and to one loaded model.
    """

    def __init__(self, model: Model) -> None:
        """Begins with nothing."""
        self._model = model
        self._kept: OrderedDict[str, asyncio.Future[Any]] = OrderedDict()
        self._making: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def of(self, generation: Generation) -> Generation:
        """The request with all that it needs.

        Raises:
            InvalidArgument: Its constraint is not valid, or has what a grammar cannot say.
            EngineShutdown: The model is not there any more.
        """
        guided, samplers = generation.options.guided_decoding, generation.samplers
        if guided is not None:
            key = json.dumps(["grammar", guided.kind, guided.value, guided.whitespace_pattern])
            grammar = await self._get(key, partial(self._grammar, guided))
            generation = dataclasses.replace(generation, grammar=grammar)
        if samplers.uses_dry:
            options = samplers.dry_options
            dry = await self._get(json.dumps(["dry", options]), partial(self._model.dry, **options))
            generation = dataclasses.replace(generation, dry=dry)
        return generation

    async def close(self) -> None:
        """Waits for the threads, as they use the model, and begins none any more."""
        self._closed = True
        if self._making:
            await asyncio.wait(self._making)

    async def _get(self, key: str, make: Callable[[], Any]) -> Any:
        if self._closed:
            raise EngineShutdown("the llama-cpp engine is not running")
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = asyncio.ensure_future(asyncio.to_thread(make))
            self._making.add(found)
            found.add_done_callback(partial(self._made, key))
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        # Others may wait for it too, when this request is not wanted any more.
        return await asyncio.shield(found)

    def _made(self, key: str, future: asyncio.Future[Any]) -> None:
        self._making.discard(future)
        failed = future.cancelled() or future.exception() is not None
        if failed and self._kept.get(key) is future:
            del self._kept[key]

    def _grammar(self, guided: GuidedDecoding) -> Grammar:
        return self._model.grammar(constraint_gbnf(guided))
