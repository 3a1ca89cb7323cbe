"""The publisher that a ``PushSource`` gets, called as their ``KvEventPublisher`` is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .._core import KvPublisher
    from ..kv_events import BlockHash, KvEvent

_logger = logging.getLogger("dynamo_backend_common")


class ReferenceKvPublisher:
    """Publishes the KV events of one rank: from any thread, without waiting for the network."""

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
            InvalidArgument: A hash, a token or another argument is none.
        """
        self.publish_batch(
            [
                {
                    "type": "stored",
                    "token_ids": token_ids,
                    "num_block_tokens": num_block_tokens,
                    "block_hashes": block_hashes,
                    "parent_hash": parent_hash,
                    "block_mm_infos": block_mm_infos,
                    "lora_name": lora_name,
                    "is_eagle": is_eagle,
                    "cache_salt": cache_salt,
                }
            ]
        )

    def publish_removed(self, block_hashes: Iterable[BlockHash]) -> None:
        """Tells that blocks were removed."""
        self.publish_batch([{"type": "removed", "block_hashes": block_hashes}])

    def publish_batch(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Tells of several changes at once, in their order.

        Raises:
            InvalidArgument: As of `publish_stored`; nothing of the call is published.
        """
        converted = [self._event(number, event) for number, event in enumerate(events)]
        if not self._is_shut:
            self._publisher.publish_batch([event for event in converted if event is not None])

    def shutdown(self) -> None:
        """Publishes nothing more."""
        self._is_shut = True

    def _event(self, number: int, event: Mapping[str, Any]) -> KvEvent | None:
        match event.get("type"):
            case "removed":
                return {"type": "removed", "block_hashes": event["block_hashes"]}
            case "stored":
                return self._stored(event)
            case other:
                raise InvalidArgument(
                    f"event {number}: type is {other!r}; accepted: 'stored', 'removed'"
                )

    def _stored(self, event: Mapping[str, Any]) -> KvEvent | None:
        tokens, hashes = event["token_ids"], event["block_hashes"]
        is_eagle = bool(event.get("is_eagle"))
        # Of the last block's pair, the token behind it.
        beyond = int(is_eagle)
        count = self._whole(len(tokens) - beyond, event["num_block_tokens"], len(hashes))
        if not count:
            return None
        infos = event.get("block_mm_infos")
        return {
            "type": "stored",
            "blocks": list(hashes[:count]),
            "token_ids": tokens[: count * self._publisher.block_size + beyond],
            "parent_hash": event.get("parent_hash"),
            "block_mm_infos": None if infos is None else list(infos[:count]),
            "lora_name": event.get("lora_name"),
            "cache_salt": event.get("cache_salt"),
            "is_eagle": is_eagle,
        }

    def _whole(self, tokens: int, sizes: Sequence[int], hashes: int) -> int:
        """How many blocks are whole before the first one that is not."""
        size = self._publisher.block_size
        listed = min(len(sizes), hashes)
        count = next((place for place, own in enumerate(sizes) if own != size), listed)
        count = min(count, listed, max(tokens, 0) // size)
        if count < listed and not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "a KV block that has not %d tokens is not published, nor is what is stored with it"
                " behind it; this is said once",
                size,
            )
        return count
