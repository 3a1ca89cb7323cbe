"""An engine that is checked has a worker's own publisher of KV events, which are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common import EngineConfig, InvalidArgument, PushKvEvents
from dynamo_backend_common.testing.driven import Driven
from support.good_engines import Good

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_backend_common import KvEvent, KvPublisher
    from dynamo_backend_common._core import TestKvRecord


class Cached(Good):
    """Has a cache of rank 3, with blocks of 2 tokens."""

    publisher: KvPublisher

    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(
            model="cached", kv_cache_block_size=2, data_parallel_start_rank=3, data_parallel_size=1
        )

    async def kv_event_sources(self) -> Sequence[PushKvEvents]:
        return [PushKvEvents(on_ready=self.take, dp_rank=3)]

    def take(self, publisher: KvPublisher) -> None:
        self.publisher = publisher


async def recorded() -> tuple[KvPublisher, TestKvRecord]:
    engine = Cached()
    core = Driven(engine).core
    [record] = await core.record_kv_events(await core.start(1))
    return engine.publisher, record


async def test_events_that_agree_are_no_problem() -> None:
    publisher, record = await recorded()
    publisher.publish_stored([(1, [7, 7]), (-1, [8, 8])])
    publisher.publish_stored([b"\0" * 7 + b"\5"], [9, 9], parent_hash=2**64 - 1)
    publisher.publish_removed([5, 1])
    assert record.problems == []
    publisher.publish_cleared()
    publisher.publish_removed([-1])
    assert record.problems == [f"rank 3: removed block {2**64 - 1}, which is not stored"]


async def test_a_batch_is_compared_event_by_event() -> None:
    publisher, record = await recorded()
    publisher.publish_batch(
        [
            {"type": "stored", "blocks": [(1, [7, 7])], "lora_name": "adapter"},
            {"type": "removed", "block_hashes": [1, 2]},
            {"type": "stored", "blocks": [(3, [7, 7])], "parent_hash": 1, "cache_salt": "tenant"},
            {"type": "cleared"},
            {"type": "removed", "block_hashes": [3]},
        ]
    )
    assert record.problems == [
        "rank 3: removed block 2, which is not stored",
        "rank 3: stored behind parent 1, which is not stored",
        "rank 3: removed block 3, which is not stored",
    ]


async def test_of_a_batch_that_is_refused_nothing_is_published() -> None:
    publisher, record = await recorded()
    events: list[KvEvent] = [
        {"type": "stored", "blocks": [(1, [7, 7])]},
        {"type": "stored", "blocks": [(2, [7, 7, 7])]},
    ]
    with pytest.raises(InvalidArgument, match=r"event 1 of 2.*nothing was published"):
        publisher.publish_batch(events)
    publisher.publish_removed([1])
    assert record.problems == ["rank 3: removed block 1, which is not stored"]


async def test_a_parent_that_is_not_stored() -> None:
    publisher, record = await recorded()
    publisher.publish_stored([(2, [7, 7])], parent_hash=1)
    assert record.problems == ["rank 3: stored behind parent 1, which is not stored"]


@pytest.mark.parametrize(
    ("stored", "refused"),
    [
        ({"blocks": [(1, [7, 7]), (1, [8, 8])]}, "has the hash of block 0"),
        ({"blocks": [(1, [7, 7])], "parent_hash": 1}, "has the hash of its parent"),
        ({"blocks": [(1, ["a", -5])]}, "token 0 is 'a'"),
        ({"blocks": [(7.9, [7, 7])]}, "7.9"),
        ({"blocks": [(1, [7])]}, "has 1 tokens"),
        ({"blocks": [1, 2], "token_ids": [7, 7, 7]}, "3 tokens, and 2 blocks"),
        ({"blocks": [(1, [7, 7])], "lora_name": 7}, "lora_name is 7"),
        ({"blocks": [(1, [7, 7])], "block_mm_infos": [None] * 2}, "block_mm_infos has 2 entries"),
    ],
)
async def test_what_a_worker_refuses_is_refused(stored: dict[str, Any], refused: str) -> None:
    publisher, _ = await recorded()
    with pytest.raises(InvalidArgument, match=refused):
        publisher.publish_stored(**stored)
