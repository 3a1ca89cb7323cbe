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
        # By hash, the LoRA adapter of each.
        self._adapters: dict[int, str | None] = {}

    def publish_stored(
        self,
        blocks: Sequence[tuple[int, Sequence[int]]],
        *,
        parent_hash: int | None = None,
        lora_name: str | None = None,
    ) -> None:
        before = () if parent_hash is None else self._blocks[parent_hash]
        assert parent_hash is None or self._adapters[parent_hash] == lora_name
        for block_hash, tokens in blocks:
            assert 0 <= block_hash < 2**64
            assert block_hash not in self._blocks, "stored twice"
            assert len(tokens) == self.block_size
            before = self._blocks[block_hash] = (*before, *tokens)
            self._adapters[block_hash] = lora_name

    def publish_removed(self, block_hashes: Sequence[int]) -> None:
        for block_hash in block_hashes:
            del self._blocks[block_hash], self._adapters[block_hash]

    @property
    def prefixes(self) -> set[tuple[int, ...]]:
        """The prefix that each block that is held ends, without adapter."""
        return self.prefixes_with(None)

    def prefixes_with(self, adapter: str | None) -> set[tuple[int, ...]]:
        """The prefix that each block of an adapter that is held ends."""
        found = [prefix for key, prefix in self._blocks.items() if self._adapters[key] == adapter]
        assert len(set(found)) == len(found), "a block has two hashes"
        return set(found)

    def prefixes_of(self, sequences: Iterable[Sequence[int]]) -> set[tuple[int, ...]]:
        """The prefixes of whole blocks that ``sequences`` have."""
        return {
            tuple(sequence[:end])
            for sequence in sequences
            for end in range(self.block_size, len(sequence) + 1, self.block_size)
        }
