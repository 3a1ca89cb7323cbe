"""The grammars that requests asked for, each read once while it is in use."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from ..grammar.constraint import constraint_gbnf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....guided_decoding import GuidedDecoding
    from ..binding.grammar import Grammar

_KEPT = 64


class Grammars:
    """The newest grammars; belongs to the event loop."""

    def __init__(self, read: Callable[[str], Grammar]) -> None:
        """Begins without one.

        Args:
            read: Has llama.cpp read a grammar; called in a thread.
        """
        self._read = read
        self._kept: OrderedDict[str, Grammar] = OrderedDict()

    async def of(self, guided: GuidedDecoding) -> Grammar:
        """The grammar of a constraint; made in a thread where it is new.

        Raises:
            InvalidArgument: The constraint is not valid, or has what a grammar cannot say.
        """
        key = json.dumps([guided.kind, guided.value, guided.whitespace_pattern])
        grammar = self._kept.get(key)
        if grammar is None:
            grammar = await asyncio.to_thread(self._make, guided)
        self._kept[key] = grammar
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return grammar

    def _make(self, guided: GuidedDecoding) -> Grammar:
        return self._read(constraint_gbnf(guided))
