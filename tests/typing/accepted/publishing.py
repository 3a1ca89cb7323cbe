"""Publishing KV events, with hashes and tokens of every type that engines have."""

from array import array
from collections.abc import Sequence

from dynamo_backend_common import (
    BlockHash,
    KvEvent,
    KvPublisher,
    LLMEngine,
    PushKvEvents,
    Request,
    ZmqKvEvents,
)


class Publishing(LLMEngine):
    publisher: KvPublisher

    async def kv_event_sources(self) -> Sequence[ZmqKvEvents | PushKvEvents]:
        return [
            PushKvEvents(on_ready=self.keep),
            PushKvEvents(on_ready=self.keep_later, dp_rank=1),
            PushKvEvents(on_ready=self.keep, dp_rank=3, image_token_id=7, video_token_id=None),
            ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", dp_rank=2, image_token_id=7),
        ]

    def keep(self, publisher: KvPublisher) -> None:
        self.publisher = publisher

    async def keep_later(self, publisher: KvPublisher) -> None:
        self.publisher = publisher

    def publish(self, request: Request, digest: bytes) -> int:
        parent: BlockHash = -1
        self.publisher.publish_stored([(digest, request["token_ids"])], parent_hash=parent)
        self.publisher.publish_stored(zip([1, 2], ([1, 2], [3, 4]), strict=True))
        self.publisher.publish_stored([1, 2], array("I", [1, 2, 3, 4]), parent_hash=digest)
        self.publisher.publish_stored(
            [(1, [1, 2])],
            lora_name="adapter",
            cache_salt=None,
            is_eagle=False,
            block_mm_infos=[{"mm_objects": [{"mm_hash": "name", "offsets": [(0, 1)]}]}],
        )
        events: list[KvEvent] = [
            {"type": "stored", "blocks": [(digest, [1, 2])], "cache_salt": "tenant"},
            {"type": "stored", "blocks": [1], "token_ids": array("I", [1, 2]), "parent_hash": 2},
            {"type": "removed", "block_hashes": {1, digest}},
            {"type": "cleared"},
        ]
        self.publisher.publish_batch(events)
        self.publisher.publish_removed({1, 2})
        self.publisher.publish_cleared()
        return self.publisher.dp_rank + self.publisher.block_size
