"""What of an engine's blocks is published, where it calls the publisher as ai-dynamo's."""

from __future__ import annotations

from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument
from dynamo_backend_common.reference.kv_publisher import ReferenceKvPublisher

SIZE = 4


class Recorded:
    """Takes the place of a worker's publisher."""

    block_size = SIZE

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []

    def publish_batch(self, events: list[dict[str, Any]]) -> None:
        self.batches.append(events)


def publishers() -> tuple[Any, ReferenceKvPublisher]:
    recorded: Any = Recorded()
    return recorded, ReferenceKvPublisher(recorded)


def stored(recorded: Any) -> list[tuple[list[int], list[int]]]:
    """Hashes and tokens of each stored event."""
    return [
        (event["blocks"], list(event["token_ids"]))
        for batch in recorded.batches
        for event in batch
        if event["type"] == "stored"
    ]


@pytest.mark.parametrize(
    ("tokens", "sizes", "hashes", "count"),
    [
        pytest.param(8, [4, 4], [1, 2], 2, id="whole"),
        pytest.param(10, [4, 4, 2], [1, 2, 3], 2, id="the last one is not"),
        pytest.param(12, [4, 3, 4], [1, 2, 3], 1, id="one in the middle is not"),
        pytest.param(12, [5, 4], [1, 2], 0, id="the first one is too long"),
        pytest.param(7, [4, 4], [1, 2], 1, id="too few tokens"),
        pytest.param(12, [4, 4, 4], [1], 1, id="too few hashes"),
        pytest.param(0, [], [], 0, id="nothing"),
    ],
)
def test_what_is_behind_a_block_that_is_not_whole_is_left_out(
    tokens: int, sizes: list[int], hashes: list[int], count: int
) -> None:
    recorded, publisher = publishers()
    publisher.publish_stored(list(range(tokens)), sizes, hashes)
    expected = [(hashes[:count], list(range(count * SIZE)))] if count else []
    assert stored(recorded) == expected


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    _, publisher = publishers()
    publisher.publish_stored(list(range(8)), [4, 4], [1, 2])
    assert caplog.records == []
    for _ in range(2):
        publisher.publish_stored([1, 2], [2], [3])
    [record] = caplog.records
    assert "has not 4 tokens" in record.getMessage()


def test_a_block_of_eagle_has_the_token_behind_it() -> None:
    recorded, publisher = publishers()
    publisher.publish_stored(list(range(9)), [4, 4], [1, 2], is_eagle=True)
    assert stored(recorded) == [([1, 2], list(range(9)))]
    publisher.publish_stored(list(range(8)), [4, 4], [1, 2], is_eagle=True)
    assert stored(recorded)[1] == ([1], list(range(5)))


def test_what_else_is_said_of_blocks_goes_with_them() -> None:
    recorded, publisher = publishers()
    infos = [{"mm_objects": [{"mm_hash": 7}]}, None]
    publisher.publish_stored(
        list(range(6)), [4, 2], [1, 2], 9, infos, lora_name="adapter", cache_salt="salt"
    )
    [[event]] = recorded.batches
    assert event["parent_hash"] == 9
    assert event["block_mm_infos"] == infos[:1]
    assert (event["lora_name"], event["cache_salt"]) == ("adapter", "salt")
    assert event["is_eagle"] is False


def test_a_batch_keeps_its_order() -> None:
    recorded, publisher = publishers()
    one = {"type": "stored", "token_ids": [1, 2, 3, 4], "num_block_tokens": [4]}
    publisher.publish_batch([{"type": "removed", "block_hashes": [1]}, one | {"block_hashes": [2]}])
    publisher.publish_removed([3])
    assert [[event["type"] for event in batch] for batch in recorded.batches] == [
        ["removed", "stored"],
        ["removed"],
    ]


def test_an_event_of_another_type_is_refused_and_nothing_is_published() -> None:
    recorded, publisher = publishers()
    with pytest.raises(InvalidArgument, match="event 1: type is 'cleared'; accepted: 'stored'"):
        publisher.publish_batch([{"type": "removed", "block_hashes": [1]}, {"type": "cleared"}])
    assert recorded.batches == []


def test_after_its_shutdown_it_publishes_nothing() -> None:
    recorded, publisher = publishers()
    publisher.shutdown()
    publisher.publish_stored([1, 2, 3, 4], [4], [1])
    publisher.publish_removed([1])
    assert recorded.batches == []
