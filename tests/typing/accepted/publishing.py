"""Publishing KV events, with hashes and tokens of every type that engines have."""

from array import array
from collections.abc import Sequence

from dynamo_backend_common import (
    BlockHash,
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
            ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", dp_rank=2),
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
        self.publisher.publish_removed({1, 2})
        self.publisher.publish_cleared()
        return self.publisher.dp_rank + self.publisher.block_size
