"""Prompts that left their slots, in the host's memory: the prompt cache of llama.cpp's server."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from .kv_blocks import Block, KvBlocks, Tokens

# A copy of a state is worth it where it is at most so many times what is wanted of it: to copy a
# token takes a hundredth of the time in which a processor computes it, a tenth of a GPU's.
_COPIED = 8


class States(Protocol):
    """Copies what slots hold to the host's memory."""

    def state_size(self, slot: int) -> int:
        """Bytes that a slot's state takes."""

    def save_state(self, slot: int) -> Any | None:
        """The state of a slot; None: there is no memory for it."""


@dataclass(kw_only=True, slots=True, eq=False)
class Saved:
    """A copy of what a slot held.

    Attributes:
        text: Its tokens.
        state: What `States.save_state` made.
        size: Bytes of it.
        blocks: The whole blocks of the tokens.
        adapter: The LoRA adapter that they were read with.
        used: When it was in a slot last, counted in events.
    """

    text: Tokens
    state: Any
    size: int
    blocks: list[Block]
    adapter: str | None
    used: int


class PromptCache:
    """States of slots, each a holder of its blocks; who was wanted least recently gives way.

    Attributes:
        size: Bytes that are taken, never more than may be.
        restoring: What is being copied back into a slot, and does not give way; None: nothing.
    """

    def __init__(self, tree: KvBlocks, states: States, *, limit: int, first: int) -> None:
        """Holds nothing yet.

        Args:
            tree: The blocks that are held.
            states: Makes the copies.
            limit: Bytes that may be taken.
            first: The number of the first holder; those below are slots.
        """
        self.size = 0
        self.restoring: Saved | None = None
        self._tree = tree
        self._states = states
        self._limit = limit
        self._numbers = count(first)
        self._saved: dict[int, Saved] = {}

    def save(
        self, slot: int, text: Tokens, blocks: list[Block], *, adapter: str | None, used: int
    ) -> None:
        """Takes a copy of what a slot holds, where there is room for it.

        Args:
            slot: The slot.
            text: The tokens that are in its cells.
            blocks: Their whole blocks.
            adapter: The LoRA adapter that they were read with.
            used: When the slot was given back.
        """
        size = self._states.state_size(slot)
        staying = 0 if self.restoring is None else self.restoring.size
        if size > self._limit - staying:
            return
        # Of a longer prompt a shorter one is a part.
        held = set(blocks)
        for number in [each for each, saved in self._saved.items() if saved.blocks[-1] in held]:
            self._drop(number)
        while self.size + size > self._limit:
            others = (n for n, saved in self._saved.items() if saved is not self.restoring)
            self._drop(min(others, key=self._loss))
        if (state := self._states.save_state(slot)) is None:
            return
        number = next(self._numbers)
        self._tree.share(number, blocks)
        self._saved[number] = Saved(
            text=text,
            state=state,
            size=size,
            blocks=list(blocks),
            adapter=adapter,
            used=used,
        )
        self.size += size

    def find(self, holders: Collection[int], wanted: int) -> list[Saved]:
        """Those of ``holders`` that are worth restoring for their first ``wanted`` blocks."""
        saved = [self._saved[number] for number in holders if number in self._saved]
        return [each for each in saved if len(each.blocks) <= _COPIED * wanted]

    def forget(self, adapter: str) -> None:
        """Drops what was read with a LoRA adapter."""
        for number in [each for each, saved in self._saved.items() if saved.adapter == adapter]:
            self._drop(number)

    def clear(self) -> None:
        """Drops everything."""
        for number in list(self._saved):
            self._drop(number)

    def _loss(self, number: int) -> tuple[bool, int]:
        """What it costs to drop one; the least is best."""
        saved = self._saved[number]
        return len(saved.blocks[-1].slots) == 1, saved.used

    def _drop(self, number: int) -> None:
        saved = self._saved.pop(number)
        self._tree.drop(number, saved.blocks, 0)
        self.size -= saved.size
        # At once, whoever still looks at it.
        saved.state = None
