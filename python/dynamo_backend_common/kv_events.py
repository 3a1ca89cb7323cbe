"""What an engine tells a publisher of its KV cache."""

from collections.abc import Iterable, Sequence
from typing import Literal, NotRequired, SupportsIndex, TypeAlias, TypedDict

__all__ = [
    "BlockHash",
    "BlockMmInfo",
    "KvCleared",
    "KvEvent",
    "KvRemoved",
    "KvStored",
    "MmObject",
]

BlockHash: TypeAlias = SupportsIndex | bytes
"""A block's hash: an integer of 64 bits, signed or not, or a digest, whose last 8 bytes count."""


class MmObject(TypedDict):
    """An image, a video or another part of a prompt that is no text, as far as a block has it.

    Attributes:
        mm_hash: What names it: an integer of 64 bits, signed or not, or a text, which is shortened
            as Dynamo does it: of 64 hexadecimal digits the first 16 count, of another the XXH3
            hash.
        offsets: (start, end) of its tokens, counted from the block's first one; the end is behind
            the last. May be left out.
    """

    mm_hash: SupportsIndex | str
    offsets: NotRequired[Sequence[Sequence[SupportsIndex]]]


class BlockMmInfo(TypedDict):
    """The images and videos of one block.

    Attributes:
        mm_objects: Each of them, in the order of their tokens.
    """

    mm_objects: Sequence[MmObject]


class KvStored(TypedDict):
    """Blocks were stored: the arguments of `KvPublisher.publish_stored`, by their names.

    Attributes:
        type: ``"stored"``.
        blocks: (hash, tokens) of each block, or the hashes alone.
        token_ids: The tokens of all blocks, where ``blocks`` are the hashes alone.
        parent_hash: The block that they stand behind; left out or None: they begin a sequence.
        block_mm_infos: The images and videos of each block.
        lora_name: The LoRA adapter that made them.
        cache_salt: The cache salt of the requests that share them.
        is_eagle: Whether each block has the first token of the one behind it too.
    """

    type: Literal["stored"]
    blocks: Iterable[tuple[BlockHash, Iterable[SupportsIndex]]] | Iterable[BlockHash]
    token_ids: NotRequired[Iterable[SupportsIndex] | None]
    parent_hash: NotRequired[BlockHash | None]
    block_mm_infos: NotRequired[Iterable[BlockMmInfo | None] | None]
    lora_name: NotRequired[str | None]
    cache_salt: NotRequired[str | None]
    is_eagle: NotRequired[bool]


class KvRemoved(TypedDict):
    """Blocks were removed.

    Attributes:
        type: ``"removed"``.
        block_hashes: The hashes with which they were stored.
    """

    type: Literal["removed"]
    block_hashes: Iterable[BlockHash]


class KvCleared(TypedDict):
    """All blocks of the rank were removed.

    Attributes:
        type: ``"cleared"``.
    """

    type: Literal["cleared"]


KvEvent: TypeAlias = KvStored | KvRemoved | KvCleared
"""A change of a KV cache, for `KvPublisher.publish_batch`."""
