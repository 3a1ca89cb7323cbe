"""An engine that pushes snapshots of its two ranks, as its controls tell it."""

import asyncio
import json
import threading
import time

from latches import FOLDER, reach
from plain import Plain

from dynamo_backend_common import EngineConfig, MetricsBindings, PushKvEvents

TOTAL = 100


class Loaded(Plain):
    async def start(self, worker_id):
        return EngineConfig(
            model="loaded",
            context_length=2048,
            kv_cache_block_size=16,
            total_kv_blocks=TOTAL,
            data_parallel_size=2,
        )

    async def setup_metrics(self, context):
        return MetricsBindings(dp_ranks=[0, 1], on_publisher_ready=self.ready)

    def ready(self, publisher):
        self.publisher = publisher

    async def supported_controls(self):
        return ["push", "flood", "burst"]

    async def engine_control(self, name, body):
        if name == "push":
            if "kv_cache_hit_rate" in body:
                body["kv_cache_hit_rate"] = float(body["kv_cache_hit_rate"])
            await asyncio.to_thread(self.publisher.push, body.pop("dp_rank"), **body)
            return {"status": "ok"}
        if name == "burst":
            await asyncio.to_thread(self.burst, body["pushes"])
            return {"status": "ok"}
        return await asyncio.to_thread(self.flood, **body)

    def burst(self, pushes):
        """Pushes without a pause; the last value is the number of pushes, of which not all fit."""
        for used in range(pushes + 1):
            self.publisher.push(0, total_blocks=TOTAL, used_blocks=used)

    def flood(self, used, last):
        """Pushes from a thread for each rank, never the same value twice, until told to calm down;
        ``last`` is the last value of each."""
        pushes = []

        def push(rank):
            count = 0
            while not (FOLDER / "calm").exists():
                for _ in range(100):
                    value = used[count % len(used)]
                    self.publisher.push(rank, total_blocks=TOTAL, used_blocks=value)
                    count += 1
                    # As fast as a small engine steps, and leaves others the GIL.
                    time.sleep(0.0002)
            self.publisher.push(rank, total_blocks=TOTAL, used_blocks=last)
            pushes.append(count)

        threads = [threading.Thread(target=push, args=(rank,)) for rank in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"pushes": sum(pushes)}


class Misdeclared(Loaded):
    """Declares the ranks that follow ``--``."""

    def __init__(self, ranks):
        self.ranks = json.loads(ranks)

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)

    async def setup_metrics(self, context):
        return MetricsBindings(dp_ranks=self.ranks, on_publisher_ready=self.ready)

    async def cleanup(self):
        reach("cleanup")


class Storing(Loaded):
    """Announces the blocks that its control names, too."""

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.stores)]

    def stores(self, publisher):
        self.blocks = publisher

    async def supported_controls(self):
        return ["push", "store"]

    async def engine_control(self, name, body):
        if name == "push":
            return await super().engine_control(name, body)
        block = (body["block_hash"], list(range(16)))
        await asyncio.to_thread(self.blocks.publish_stored, [block])
        return {"status": "ok"}


class Unready(Misdeclared):
    """Has one rank, and cannot take its publisher."""

    def __init__(self):
        self.ranks = [0]

    async def ready(self, publisher):
        raise RuntimeError("no room for a publisher")
