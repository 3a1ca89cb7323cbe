"""The slots of llama.cpp's context, and the prompts whose beginnings are still in them.

Every slot has cells of its own, so that no sequence's output depends on where another one's cells
are. What a request leaves in its slot stays there until the slot is wanted; a request that begins
alike goes on from it in place, or from a copy in another slot.

Only what was read as a prompt is kept, in whole blocks. Output is computed one token at a time, by
other code of llama.cpp and with other rounding than a prompt: whoever went on from it would get
other output than without the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .kv_blocks import KvBlocks

if TYPE_CHECKING:
    from .kv_blocks import Block, Listener, Tokens

# A rest of one token would be computed as output is, see `prefill`.
_SMALLEST_REST = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A slot that was lent.

    Attributes:
        slot: Its number.
        cached: Tokens of the prompt that need not be computed.
        source: Slot that they are to be copied from; None: they are in place. What else is in the
            slot is to be removed.
    """

    slot: int
    cached: int
    source: int | None


@dataclass(kw_only=True, slots=True)
class _Slot:
    number: int
    # What the request that has it asked; None: nobody has it.
    prompt: Tokens | None = None
    # The LoRA adapter that its blocks were read with.
    adapter: str | None = None
    blocks: list[Block] = field(default_factory=list)
    # When it was given back last, counted in events.
    used: int = 0


class PrefixCache:
    """Lends a fixed number of slots, numbered from 0, each to one request at a time.

    Attributes:
        block_size: Tokens of a block.
        enabled: Whether anything is kept.
    """

    def __init__(
        self, total: int, *, block_size: int, listener: Listener, enabled: bool = True
    ) -> None:
        """Has ``total`` empty slots.

        Args:
            total: Number of slots.
            block_size: Tokens of a block: what is kept is a multiple of it.
            listener: Told which blocks are stored and removed, when they are.
            enabled: False keeps nothing and tells nothing.
        """
        self.block_size = block_size
        self.enabled = enabled
        self._tree = KvBlocks(block_size, listener)
        self._slots = [_Slot(number=number) for number in range(total)]
        self._events = 0

    def take(
        self, prompt: Tokens, *, shares: bool = True, adapter: str | None = None
    ) -> Lease | None:
        """Lends the slot from which ``prompt`` is best read; None where all are lent.

        A slot of which nothing is lost comes first, then one of which at least half goes on, then
        the one that was used least recently.

        Args:
            prompt: Tokens of the prompt.
            shares: False finds nothing, and keeps nothing of the prompt.
            adapter: The LoRA adapter to read it with; what was read with another is none of it.
        """
        free = [slot for slot in self._slots if slot.prompt is None]
        if not free:
            return None
        limit = max(len(prompt) - _SMALLEST_REST, 0) // self.block_size if shares else 0
        path = self._tree.find(prompt, limit, adapter)
        holders = path[-1].slots if path else set()
        slot = min(free, key=lambda slot: _loss(slot, path, holders))
        source = min(holders, default=None) if slot.number not in holders else None
        self._tree.drop(slot.number, slot.blocks, 0 if source is not None else len(path))
        self._tree.hold(slot.number, slot.blocks, prompt, len(path), adapter)
        slot.adapter = adapter
        # Of no tokens nothing can be kept.
        slot.prompt = prompt if shares else ()
        return Lease(slot=slot.number, cached=len(path) * self.block_size, source=source)

    def read(self, slot: int, count: int) -> None:
        """The first ``count`` tokens of the prompt are in the slot's cells."""
        lent = self._slots[slot]
        if self.enabled and lent.prompt is not None:
            known = min(count, len(lent.prompt))
            count = known // self.block_size
            self._tree.hold(slot, lent.blocks, lent.prompt, count, lent.adapter)

    def give_back(self, slot: int) -> int:
        """Ends the lending of ``slot``.

        Returns:
            Tokens at its beginning that it keeps.
        """
        lent = self._slots[slot]
        self._events += 1
        lent.prompt, lent.used = None, self._events
        return len(lent.blocks) * self.block_size

    def evict(self) -> int | None:
        """Drops what the slot keeps that was used least recently, of those that are not lent.

        Returns:
            The slot, whose cells are to be freed; None: nothing is kept but by who runs.
        """
        kept = [slot for slot in self._slots if slot.prompt is None and slot.blocks]
        if not kept:
            return None
        slot = min(kept, key=lambda slot: slot.used)
        self._tree.drop(slot.number, slot.blocks, 0)
        return slot.number

    def clear(self) -> None:
        """Empties every slot that is not lent."""
        for slot in self._slots:
            if slot.prompt is None:
                self._tree.drop(slot.number, slot.blocks, 0)

    def forget(self, adapter: str) -> list[int]:
        """Drops what was read with a LoRA adapter that no request has any more.

        Returns:
            The slots whose cells are to be freed.
        """
        dropped = [slot for slot in self._slots if slot.adapter == adapter]
        for slot in dropped:
            self._tree.drop(slot.number, slot.blocks, 0)
            slot.adapter = None
        return [slot.number for slot in dropped]


def _loss(slot: _Slot, path: list[Block], holders: set[int]) -> tuple[int, bool, int]:
    """What it costs to read a prompt that begins with ``path`` in ``slot``; the least is best."""
    kept = len(path) if slot.number in holders else 0
    # Of a slot's blocks, the last one has the fewest holders.
    if len(slot.blocks) == kept or len(slot.blocks[-1].slots) > 1:
        rank = 0
    else:
        rank = 1 if kept * 2 >= len(slot.blocks) else 2
    # Where nothing is lost, nothing needs to be copied either if it can go on in place.
    return rank, rank == 0 and kept == 0, slot.used
