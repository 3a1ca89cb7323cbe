"""What somebody knows who was told of every change of a KV cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class KvIndex:
    """Replays KV events; takes the place of a publisher, and fails where they make no sense."""

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        # By hash, each block with the tokens of all that is in front of it.
        self._blocks: dict[int, tuple[int, ...]] = {}

    def publish_stored(
        self, blocks: Sequence[tuple[int, Sequence[int]]], *, parent_hash: int | None = None
    ) -> None:
        before = () if parent_hash is None else self._blocks[parent_hash]
        for block_hash, tokens in blocks:
            assert 0 <= block_hash < 2**64
            assert block_hash not in self._blocks, "stored twice"
            assert len(tokens) == self.block_size
            before = self._blocks[block_hash] = (*before, *tokens)

    def publish_removed(self, block_hashes: Sequence[int]) -> None:
        for block_hash in block_hashes:
            del self._blocks[block_hash]

    @property
    def prefixes(self) -> set[tuple[int, ...]]:
        """The prefix that each block that is held ends."""
        found = set(self._blocks.values())
        assert len(found) == len(self._blocks), "a block has two hashes"
        return found

    def prefixes_of(self, sequences: Iterable[Sequence[int]]) -> set[tuple[int, ...]]:
        """The prefixes of whole blocks that ``sequences`` have."""
        return {
            tuple(sequence[:end])
            for sequence in sequences
            for end in range(self.block_size, len(sequence) + 1, self.block_size)
        }
