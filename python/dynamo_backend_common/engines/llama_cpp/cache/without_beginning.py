"""The blocks of prompts as routers look for those to which the engine puts a beginning.

A router cuts what the frontend sends, from the text's own first token on. In the cache the same
tokens lie one place further, behind the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kv_blocks import block_hash, root_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .kv_blocks import Listener, Tokens


@dataclass(frozen=True, slots=True)
class _Held:
    """A block of the cache, whose prompt begins with the beginning.

    Attributes:
        tokens: Its tokens.
        seen: Hash of the router's block that its first token ends; of the first block, which ends
            none, what the hashes of a router's blocks begin with.
        is_first: Whether it is the first one of the prompt.
    """

    tokens: Tokens
    seen: int
    is_first: bool


class WithoutBeginning:
    """Passes on what it is told, and tells the same of prompts without their first token."""

    def __init__(self, listener: Listener, begin_token: int | None) -> None:
        """Has heard of nothing yet.

        Args:
            listener: Who is told.
            begin_token: What the engine puts before a prompt that has it not; None: nothing.
        """
        self._listener = listener
        self._begin_token = begin_token
        # By the hash of a block of the cache.
        self._held: dict[int, _Held] = {}
        # How many blocks of the cache end a router's block, by its hash.
        self._ending: dict[int, int] = {}

    def stored(
        self, parent_hash: int | None, blocks: Sequence[tuple[int, Tokens]], adapter: str | None
    ) -> None:
        """Blocks are held from now on, see `Listener`."""
        self._listener.stored(parent_hash, blocks, adapter)
        if parent_hash is None:
            (number, tokens), *blocks = blocks
            if tokens[0] != self._begin_token:
                return
            # Another than the cache's own, so that no two blocks have one hash.
            before = self._held[number] = _Held(tokens, root_hash(adapter) ^ 1, is_first=True)
        elif parent_hash in self._held:
            before = self._held[parent_hash]
        else:
            return
        parent = None if before.is_first else before.seen
        new: list[tuple[int, Tokens]] = []
        for number, tokens in blocks:
            whole = before.tokens[1:] + tokens[:1]
            if before.is_first and whole[0] == self._begin_token:
                # A prompt that begins twice was sent as it is.
                break
            seen = block_hash(before.seen, whole)
            self._ending[seen] = self._ending.get(seen, 0) + 1
            if self._ending[seen] == 1:
                new.append((seen, whole))
            elif not new:
                parent = seen
            before = self._held[number] = _Held(tokens, seen, is_first=False)
        if new:
            self._listener.stored(parent, new, adapter)

    def removed(self, block_hashes: Sequence[int]) -> None:
        """Nobody holds these blocks any more, see `Listener`."""
        self._listener.removed(block_hashes)
        gone: list[int] = []
        for number in block_hashes:
            held = self._held.pop(number, None)
            if held is None or held.is_first:
                continue
            self._ending[held.seen] -= 1
            if not self._ending[held.seen]:
                del self._ending[held.seen]
                gone.append(held.seen)
        if gone:
            self._listener.removed(gone)
