"""What llama.cpp reads for a request before it can run.

That is its grammar, what DRY looks for, and its prompt where a penalty counts the tokens of that.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from ....exceptions import EngineShutdown
from ..binding.repetition import RepetitionPenalty
from ..grammar.constraint import constraint_gbnf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....guided_decoding import GuidedDecoding
    from ..binding.dry import Dry
    from ..binding.grammar import Grammar
    from ..binding.model import Model
    from .generation import Generation

_KEPT = 64


def with_prompt(generation: Generation, model: Model, dry: Dry | None = None) -> Generation:
    """The request with what counts the tokens of its prompt; takes its time where they are many.

    Args:
        generation: The request.
        model: What it is for; only its sizes are asked, so it may be freed meanwhile.
        dry: DRY as the request asks for it; None: it does not.
    """
    repetition, penalty = None, generation.options.repetition_penalty
    if penalty != 1.0:
        repetition = RepetitionPenalty(
            model.vocab_size, generation.prompt, window=model.context_length, penalty=penalty
        )
    told = None if dry is None else dry.behind(generation.prompt)
    return dataclasses.replace(generation, repetition=repetition, dry=told)


class Preparation:
    """Has each read in a thread: it may take seconds. What requests may share is read once.

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
        guided, samplers, dry = generation.options.guided_decoding, generation.samplers, None
        if guided is not None:
            key = json.dumps(["grammar", guided.kind, guided.value, guided.whitespace_pattern])
            grammar = await self._get(key, partial(self._grammar, guided))
            generation = dataclasses.replace(generation, grammar=grammar)
        if samplers.uses_dry:
            options = samplers.dry_options
            dry = await self._get(json.dumps(["dry", options]), partial(self._model.dry, **options))
        if dry is None and generation.options.repetition_penalty == 1.0:
            return generation
        return await asyncio.to_thread(with_prompt, generation, self._model, dry)

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
