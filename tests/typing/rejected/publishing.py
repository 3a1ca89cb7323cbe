"""What is wrong in publishing KV events. Each mark names the error of its line."""

from dynamo_backend_common import KvPublisher, PushKvEvents, ZmqKvEvents


def publish(publisher: KvPublisher) -> None:
    publisher.publish_stored([("hash", [1, 2])])  # error: arg-type list-item
    publisher.publish_stored([(1, "tokens")])  # error: arg-type list-item
    publisher.publish_stored([(1, [0.5])])  # error: arg-type list-item
    publisher.publish_stored([1], [1, 2], 7)  # error: call-overload
    publisher.publish_stored([1], [1], lora_name=b"adapter")  # error: call-overload
    publisher.publish_stored([1], [1], block_mm_infos=[7])  # error: list-item
    publisher.publish_batch([{"type": "moved"}])  # error: typeddict-item
    publisher.publish_removed(1)  # error: arg-type
    publisher.publish_removed(["hash"])  # error: list-item
    publisher.block_size = 16  # error: misc


PushKvEvents()  # error: call-arg
PushKvEvents(on_ready=print, dp_rank="0")  # error: arg-type
ZmqKvEvents(endpoint=5557)  # error: arg-type
