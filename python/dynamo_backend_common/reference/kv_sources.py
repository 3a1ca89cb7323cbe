"""What ``kv_event_sources`` returns, and the publisher that a ``PushSource`` gets."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument
from ..publish import PushKvEvents, ZmqKvEvents
from .package import theirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._core import KvPublisher
    from ..publish import BlockHash

_logger = logging.getLogger("dynamo_backend_common")


def converted(sources: Iterable[Any]) -> list[PushKvEvents | ZmqKvEvents]:
    """Their sources as ours.

    Raises:
        InvalidArgument: One is none of theirs.
    """
    return [_source(number, source) for number, source in enumerate(sources)]


def _source(number: int, source: Any) -> PushKvEvents | ZmqKvEvents:
    if isinstance(source, theirs("common.backend.publisher", "ZmqSource")):
        return ZmqKvEvents(endpoint=source.endpoint, topic=source.topic, dp_rank=source.dp_rank)
    if isinstance(source, theirs("common.backend.publisher", "PushSource")):
        return PushKvEvents(on_ready=partial(_hand_over, source.on_ready), dp_rank=source.dp_rank)
    raise InvalidArgument(
        f"kv_event_sources: source {number} is {type(source).__name__}; accepted: ZmqSource and"
        " PushSource of dynamo.common.backend.publisher"
    )


def _hand_over(on_ready: Callable[[Any], Any], publisher: KvPublisher) -> Any:
    return on_ready(ReferenceKvPublisher(publisher))


class ReferenceKvPublisher:
    """Publishes the KV events of one rank, called as their ``KvEventPublisher`` is."""

    def __init__(self, publisher: KvPublisher) -> None:
        self._publisher = publisher
        self._has_warned = False
        self._is_shut = False

    def publish_stored(
        self,
        token_ids: Sequence[int],
        num_block_tokens: Sequence[int],
        block_hashes: Sequence[BlockHash],
        parent_hash: BlockHash | None = None,
        block_mm_infos: Sequence[Any] | None = None,
        lora_name: str | None = None,
        is_eagle: bool | None = None,
        cache_salt: str | None = None,
    ) -> None:
        """Tells that blocks were stored, up to the first one that is not whole.

        Raises:
            InvalidArgument: A hash or a token is none, or the blocks are of a kind that this
                worker cannot tell of.
        """
        _refuse_what_is_not_here(
            block_mm_infos=any(info is not None for info in block_mm_infos or ()),
            lora_name=lora_name is not None,
            is_eagle=bool(is_eagle),
            cache_salt=cache_salt is not None,
        )
        count = self._whole(len(token_ids), num_block_tokens, len(block_hashes))
        if count and not self._is_shut:
            end = count * self._publisher.block_size
            self._publisher.publish_stored(
                list(block_hashes[:count]), token_ids[:end], parent_hash=parent_hash
            )

    def publish_removed(self, block_hashes: Iterable[BlockHash]) -> None:
        """Tells that blocks were removed."""
        if not self._is_shut:
            self._publisher.publish_removed(block_hashes)

    def shutdown(self) -> None:
        """Publishes nothing more."""
        self._is_shut = True

    def _whole(self, tokens: int, sizes: Sequence[int], hashes: int) -> int:
        """How many blocks are whole before the first one that is not."""
        size = self._publisher.block_size
        listed = min(len(sizes), hashes)
        count = next((place for place, own in enumerate(sizes) if own != size), listed)
        count = min(count, listed, tokens // size)
        if count < listed and not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "a KV block that has not %d tokens is not published, nor is what is stored with it"
                " behind it; this is said once",
                size,
            )
        return count


def _refuse_what_is_not_here(**given: bool) -> None:
    for name, is_given in given.items():
        if is_given:
            raise InvalidArgument(
                f"publish_stored: {name} is given, which this worker cannot tell routers of"
            )
