"""The slots of llama.cpp's context, and the prompts whose beginnings are still in them.

Every slot has cells of its own, so that no sequence's output depends on where another one's cells
are. What a request leaves in its slot stays there until the slot is wanted; a request that begins
alike goes on from it in place, or from a copy in another slot. What has to leave a slot is copied
into the host's memory, and from there back into a slot for a request that begins alike.

Only what was read as a prompt is kept. Output is computed one token at a time, by other code of
llama.cpp and with other rounding than a prompt: whoever went on from it would get other output than
without the cache. A prompt is found by its whole blocks, and then taken over to the last token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .common_length import common_length
from .kv_blocks import KvBlocks
from .prompt_cache import PromptCache, Saved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .kv_blocks import Block, Listener, Tokens
    from .prompt_cache import States

# A rest of one token would be computed as output is, see `prefill`.
_SMALLEST_REST = 2
# What leaves a slot is copied where nobody else has that part of it, or more.
_WORTH_COPYING = 1 / 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A slot that was lent.

    Attributes:
        slot: Its number.
        cached: Tokens of the prompt that need not be computed.
        source: Slot that they are to be copied from; None: none.
        state: What `States.save_state` made, that they are to be restored from; None: nothing.
            Without both they are in place. What else is in the slot is to be removed.
    """

    slot: int
    cached: int
    source: int | None = None
    state: Any = None


@dataclass(kw_only=True, slots=True, eq=False)
class _Slot:
    number: int
    lent: bool = False
    # What the request asked that has it, or had it last.
    prompt: Tokens = ()
    # Tokens of the prompt that are in its cells.
    read: int = 0
    # The LoRA adapter that its blocks were read with.
    adapter: str | None = None
    blocks: list[Block] = field(default_factory=list)
    # When it was given back last, counted in events.
    used: int = 0

    @property
    def text(self) -> Tokens:
        """What is in its cells."""
        return self.prompt[: self.read]


class PrefixCache:
    """Lends a fixed number of slots, numbered from 0, each to one request at a time.

    Attributes:
        block_size: Tokens of a block.
        enabled: Whether anything is kept.
        copies: Whether what leaves a slot is copied into the host's memory.
    """

    def __init__(
        self,
        total: int,
        *,
        block_size: int,
        listener: Listener,
        states: States,
        cache_ram: int = 0,
        enabled: bool = True,
    ) -> None:
        """Has ``total`` empty slots.

        Args:
            total: Number of slots.
            block_size: Tokens of a block, by which prompts are found.
            listener: Told which blocks are stored and removed, when they are.
            states: Copies what slots hold.
            cache_ram: Bytes of the host's memory for such copies; 0: none are made.
            enabled: False keeps nothing and tells nothing.
        """
        self.block_size = block_size
        self.enabled = enabled
        self.copies = enabled and cache_ram > 0
        self._tree = KvBlocks(block_size, listener)
        self._slots = [_Slot(number=number) for number in range(total)]
        self._saved = PromptCache(self._tree, states, limit=cache_ram, first=total)
        self._events = 0

    @property
    def saved_bytes(self) -> int:
        """Bytes that prompts in the host's memory take."""
        return self._saved.size

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
        free = [slot for slot in self._slots if not slot.lent]
        if not free:
            return None
        # Of one that shares nothing nothing can be kept.
        wanted = prompt[:-_SMALLEST_REST] if shares else ()
        path = self._tree.find(wanted, len(wanted) // self.block_size, adapter)
        holders = self._holders(path)
        slot = min(free, key=lambda slot: _loss(slot, path, holders))
        start = len(path) * self.block_size

        def alike(holder: _Slot | Saved) -> int:
            # A whole block more would be in the path.
            end = start + self.block_size
            return common_length(holder.text[start:end], wanted[start:end])

        def worth(holder: _Slot | Saved) -> tuple[int, int]:
            # Of equals the shortest: all of it is copied.
            return alike(holder), -len(holder.text)

        is_there = slot in holders
        source = slot if is_there else max(holders, key=worth, default=None)
        cached = 0 if source is None else start + alike(source)
        lease = Lease(
            slot=slot.number,
            cached=cached,
            source=source.number if isinstance(source, _Slot) and not is_there else None,
            state=source.state if isinstance(source, Saved) else None,
        )
        # Before anything gives way to what the slot loses.
        self._saved.restoring = source if isinstance(source, Saved) else None
        if isinstance(source, Saved):
            source.used = self._events + 1
        self._leave(slot, len(path) if is_there else 0)
        self._tree.hold(slot.number, slot.blocks, prompt, len(path), adapter)
        slot.lent, slot.adapter = True, adapter
        slot.prompt, slot.read = prompt if shares else (), cached
        return lease

    def lose(self, slot: int) -> None:
        """What a lease has told to be restored could not be."""
        self._empty(self._slots[slot])

    def read(self, slot: int, count: int) -> None:
        """The first ``count`` tokens of the prompt are in the slot's cells."""
        lent = self._slots[slot]
        self._saved.restoring = None
        if self.enabled:
            lent.read = min(count, len(lent.prompt))
            blocks = lent.read // self.block_size
            self._tree.hold(slot, lent.blocks, lent.prompt, blocks, lent.adapter)

    def give_back(self, slot: int) -> int:
        """Ends the lending of ``slot``.

        Returns:
            Tokens at its beginning that it keeps.
        """
        lent = self._slots[slot]
        self._events += 1
        lent.lent, lent.used = False, self._events
        return lent.read

    def evict(self) -> int | None:
        """Drops what the slot keeps that was used least recently, of those that are not lent.

        Returns:
            The slot, whose cells are to be freed; None: nothing is kept but by who runs.
        """
        kept = [slot for slot in self._slots if slot.read and not slot.lent]
        if not kept:
            return None
        slot = min(kept, key=lambda slot: slot.used)
        self._leave(slot, 0)
        slot.read = 0
        return slot.number

    def clear(self) -> None:
        """Empties every slot that is not lent, and what is in the host's memory."""
        self._saved.clear()
        for slot in self._slots:
            if not slot.lent:
                self._empty(slot)

    def forget(self, adapter: str) -> list[int]:
        """Drops what was read with a LoRA adapter that no request has any more.

        Returns:
            The slots whose cells are to be freed.
        """
        self._saved.forget(adapter)
        dropped = [slot for slot in self._slots if slot.adapter == adapter]
        for slot in dropped:
            self._empty(slot)
            slot.adapter = None
        return [slot.number for slot in dropped]

    def _empty(self, slot: _Slot) -> None:
        self._tree.drop(slot.number, slot.blocks, 0)
        slot.read = 0

    def _holders(self, path: list[Block]) -> Sequence[_Slot] | Sequence[Saved]:
        """The slots that hold ``path``, else copies that do; cuts it to what somebody holds."""
        while path:
            numbers = path[-1].slots
            if slots := [slot for slot in self._slots if slot.number in numbers]:
                return slots
            if saved := self._saved.find(numbers, len(path)):
                return saved
            path.pop()
        return ()

    def _leave(self, slot: _Slot, count: int) -> None:
        """Leaves a slot with its first ``count`` blocks; what nobody else has may be copied."""
        lost = sum(len(block.slots) == 1 for block in slot.blocks[count:])
        if self.copies and 0 < lost >= _WORTH_COPYING * len(slot.blocks):
            self._saved.save(
                slot.number, slot.text, slot.blocks, adapter=slot.adapter, used=slot.used
            )
        self._tree.drop(slot.number, slot.blocks, count)


def _loss(
    slot: _Slot, path: list[Block], holders: Sequence[_Slot] | Sequence[Saved]
) -> tuple[int, bool, int]:
    """What it costs to read a prompt that begins with ``path`` in ``slot``; the least is best."""
    kept = len(path) if slot in holders else 0
    # Of a slot's blocks, the last one has the fewest holders.
    if len(slot.blocks) == kept or len(slot.blocks[-1].slots) > 1:
        rank = 0
    else:
        rank = 1 if kept * 2 >= len(slot.blocks) else 2
    # Where nothing is lost, nothing needs to be copied either if it can go on in place.
    return rank, rank == 0 and kept == 0, slot.used
