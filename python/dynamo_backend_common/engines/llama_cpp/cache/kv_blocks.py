"""The KV blocks that sequences hold, as a tree: the way to a block is the prefix that it ends."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Tokens: TypeAlias = "tuple[int, ...]"


class Listener(Protocol):
    """Is told what the tree comes to hold and what it no longer does, in order."""

    def stored(
        self, parent_hash: int | None, blocks: Sequence[tuple[int, Tokens]], adapter: str | None
    ) -> None:
        """Blocks are held from now on: (hash, tokens) of each, one behind the other.

        ``adapter`` is the LoRA adapter that they were read with; None: none.
        """

    def removed(self, block_hashes: Sequence[int]) -> None:
        """Nobody holds these blocks any more."""


class Block:
    """One block of a prefix. It is found by its tokens; the hash only names it to others.

    Attributes:
        block_hash: 64 bits of the parent's hash and the tokens; of a root, of its adapter's name.
        tokens: Its tokens; none: the root.
        parent: The block before it; None: the root.
        children: The blocks behind it, by their tokens.
        slots: Who holds it, and with it every block before it: slots, and copies of some.
    """

    __slots__ = ("block_hash", "children", "parent", "slots", "tokens")

    def __init__(self, block_hash: int, tokens: Tokens, parent: Block | None) -> None:
        self.block_hash = block_hash
        self.tokens = tokens
        self.parent = parent
        self.children: dict[Tokens, Block] = {}
        self.slots: set[int] = set()


class KvBlocks:
    """All blocks that somebody holds, each once, however many hold it.

    What was read with a LoRA adapter is a tree of its own: it is something else,
    be the tokens the same.
    """

    def __init__(self, block_size: int, listener: Listener) -> None:
        """Holds nothing yet.

        Args:
            block_size: Tokens of a block.
            listener: Told of every change when it is made.
        """
        self.block_size = block_size
        self._listener = listener
        self._roots: dict[str | None, Block] = {}

    def find(self, tokens: Tokens, limit: int, adapter: str | None = None) -> list[Block]:
        """The longest path of whole blocks that ``tokens`` begin with, at most ``limit``."""
        path: list[Block] = []
        block = self._root(adapter)
        for piece in self._cut(tokens, 0, limit):
            found = block.children.get(piece)
            if found is None:
                break
            path.append(found)
            block = found
        return path

    def hold(
        self,
        slot: int,
        path: list[Block],
        tokens: Tokens,
        count: int,
        adapter: str | None = None,
    ) -> None:
        """Makes ``slot`` hold the first ``count`` blocks of ``tokens``.

        Args:
            slot: Who holds them.
            path: The blocks that it holds already, which begin ``tokens``; grows.
            tokens: At least ``count`` blocks.
            count: Blocks to hold, at least as many as in ``path``.
            adapter: The LoRA adapter that they were read with; None: none.
        """
        parent = path[-1] if path else self._root(adapter)
        stored: list[Block] = []
        for piece in self._cut(tokens, len(path), count):
            block = parent.children.get(piece)
            if block is None:
                block = Block(block_hash(parent.block_hash, piece), piece, parent)
                parent.children[piece] = block
                stored.append(block)
            block.slots.add(slot)
            path.append(block)
            parent = block
        if stored:
            # Behind a new block all are new: they are one row.
            before = stored[0].parent
            self._listener.stored(
                None if before is None or before.parent is None else before.block_hash,
                [(block.block_hash, block.tokens) for block in stored],
                adapter,
            )

    def share(self, slot: int, path: list[Block]) -> None:
        """Makes ``slot`` hold what another one does."""
        for block in path:
            block.slots.add(slot)

    def drop(self, slot: int, path: list[Block], count: int) -> None:
        """Leaves ``slot`` with the first ``count`` blocks of ``path``, which it holds; shrinks."""
        removed: list[int] = []
        while len(path) > count:
            block = path.pop()
            block.slots.discard(slot)
            if not block.slots and block.parent is not None:
                del block.parent.children[block.tokens]
                removed.append(block.block_hash)
        if removed:
            self._listener.removed(removed)

    def _root(self, adapter: str | None) -> Block:
        root = self._roots.get(adapter)
        if root is None:
            root = self._roots[adapter] = Block(root_hash(adapter), (), None)
        return root

    def _cut(self, tokens: Tokens, start: int, end: int) -> Iterator[Tokens]:
        size = self.block_size
        return (tokens[at * size : (at + 1) * size] for at in range(start, end))


def root_hash(adapter: str | None) -> int:
    """What the hashes begin with of blocks that were read with a LoRA adapter; None: with none."""
    name = b"" if adapter is None else blake2b(adapter.encode(), digest_size=8).digest()
    return int.from_bytes(name, "little")


def block_hash(parent: int, tokens: Tokens) -> int:
    """The hash of a block behind another one."""
    content = parent.to_bytes(8, "little") + array("I", tokens).tobytes()
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
