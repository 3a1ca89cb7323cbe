"""Engines with one source of KV events or more, named by what is about them."""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgpack
import zmq
from latches import reach
from lifecycles import Recorded

from dynamo_backend_common import EngineConfig, MetricsBindings, PushKvEvents, ZmqKvEvents


class Source:
    """Something else that has a rank."""

    dp_rank = 0


def push(dp_rank=0):
    return PushKvEvents(on_ready=lambda publisher: None, dp_rank=dp_rank)


def raises(publisher):
    raise RuntimeError("no room for a publisher")


async def raises_later(publisher):
    raise RuntimeError("no room for a publisher")


def exits(publisher):
    sys.exit("no room for a publisher")


def generated():
    yield push()
    raise RuntimeError("no second source")


SOURCES = {
    "a source": push(),
    "none": None,
    "text": "tcp://127.0.0.1:5557",
    "another thing": [Source()],
    "raises": generated(),
    "rank twice": [push(0), ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", dp_rank=0)],
    "rank beyond": [push(0), push(2)],
    "rank negative": [push(0), push(-1)],
    "rank as text": [push("0")],
    "rank as bool": [ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", dp_rank=True)],
    "no callable": [PushKvEvents(on_ready=None)],
    "no scheme": [push(0), ZmqKvEvents(endpoint="127.0.0.1:5557", dp_rank=1)],
    "no port": [ZmqKvEvents(endpoint="tcp://127.0.0.1")],
    "wrong port": [ZmqKvEvents(endpoint="tcp://127.0.0.1:99999")],
    "no text": [ZmqKvEvents(endpoint=5557)],
    "image token as text": [PushKvEvents(on_ready=print, image_token_id="<image>")],
    "negative video token": [
        ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", image_token_id=7, video_token_id=-1)
    ],
    "one token for two": [
        ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", image_token_id=7, video_token_id=7)
    ],
    "no topic": [ZmqKvEvents(endpoint="tcp://127.0.0.1:5557", topic=None)],
    "on_ready raises": [push(0), PushKvEvents(on_ready=raises, dp_rank=1)],
    "on_ready raises later": [PushKvEvents(on_ready=raises_later)],
    "on_ready exits": [PushKvEvents(on_ready=exits)],
}


class Declared(Recorded):
    """Two ranks of blocks of 16 tokens, and the sources that its argument names."""

    def __init__(self, name):
        self.sources = SOURCES[name]

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)

    async def start(self, worker_id):
        await super().start(worker_id)
        return EngineConfig(model="declared", kv_cache_block_size=16, data_parallel_size=2)

    async def kv_event_sources(self):
        return self.sources


class WithoutBlockSize(Recorded):
    """Has a source and pushes a snapshot, and says nothing of its blocks."""

    async def setup_metrics(self, ctx):
        reach("setup_metrics")
        return MetricsBindings(dp_ranks=[0], on_publisher_ready=self.snapshots_ready)

    def snapshots_ready(self, publisher):
        reach("snapshots")
        publisher.push(0, total_blocks=10, used_blocks=4)

    async def kv_event_sources(self):
        reach("kv_event_sources")
        return [PushKvEvents(on_ready=lambda publisher: reach("kv_events"))]


class Publishing(Recorded):
    """Has a publisher of blocks of 16 tokens."""

    async def start(self, worker_id):
        await super().start(worker_id)
        return EngineConfig(model="publishing", kv_cache_block_size=16)

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.keep)]

    def keep(self, publisher):
        self.publisher = publisher


class Batching(Publishing):
    """Publishes chains of one block each, in one batch or one by one."""

    async def supported_controls(self):
        return ["publish"]

    async def engine_control(self, name, body):
        events = [
            {
                "type": "stored",
                "blocks": [block_hash],
                "token_ids": range(16),
                "cache_salt": "tenant",
            }
            for block_hash in body["hashes"]
        ]
        for batch in [events] if body["together"] else [[event] for event in events]:
            self.publisher.publish_batch(batch)
        return {"status": "ok"}


class LastWords(Publishing):
    """Stores blocks when it is cleaned up, the last one by the hash that is looked for."""

    async def cleanup(self):
        for number in [*range(100), 0x0123456789ABCDEF]:
            self.publisher.publish_stored([number], range(16))
        await super().cleanup()


class ManyThreads(Publishing):
    """Publishes from many threads at once; each thread's hashes rise."""

    async def supported_controls(self):
        return ["publish"]

    async def engine_control(self, name, body):
        with ThreadPoolExecutor(8) as pool:
            return {"published": list(pool.map(self.publish, range(8)))}

    def publish(self, thread):
        # Too large to be another number by chance.
        hashes = [0xC0FFEE00 << 32 | thread << 16 | number for number in range(1000)]
        for block_hash in hashes:
            self.publisher.publish_stored([block_hash], range(16))
        return hashes


def stored(hashes, tokens=16, parent=None):
    return ["BlockStored", hashes, parent, list(range(tokens)), tokens, None, "GPU"]


DIGEST = bytes(24) + (0xD16E57D16E57D16E).to_bytes(8, "big")
PARENT = bytes(24) + (0xFA17E2FA17E2FA17).to_bytes(8, "big")
MESSAGES = {
    "two elements": [time.time(), [stored([0xC0FFEE0000000001])]],
    "digests": [time.time(), [stored([PARENT]), stored([DIGEST], parent=PARENT)], 0],
    "digests removed": [time.time(), [["BlockRemoved", [DIGEST], "GPU"]]],
    "unknown kind": [time.time(), [["BlockLost", [1]], stored([0xC0FFEE0000000002])], None],
    "wrong hash": [time.time(), [stored(["0a"]), stored([0xC0FFEE0000000003])]],
    "wrong size": [time.time(), [stored([1], tokens=8), stored([0xC0FFEE0000000004])]],
    "no batch": "events",
    "last": [time.time(), [stored([0xC0FFEE00000000FF])], 0],
}


class OnSocket(Publishing):
    """Publishes on a socket what a control names."""

    def __init__(self):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    async def kv_event_sources(self):
        return [ZmqKvEvents(endpoint=f"tcp://127.0.0.1:{self.port}")]

    async def supported_controls(self):
        return ["subscribed", "publish"]

    async def engine_control(self, name, body):
        if name == "subscribed":
            await asyncio.to_thread(self.socket.recv)
        for message in body.get("messages", ()):
            self.socket.send_multipart([b"", bytes(8), msgpack.packb(MESSAGES[message])])
        return {"status": "ok"}

    async def cleanup(self):
        self.socket.close()
        await super().cleanup()


class BindsLate(Publishing):
    """Names a socket that it does not have yet; its argument is the port."""

    def __init__(self, port):
        self.port = port

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)

    async def kv_event_sources(self):
        return [ZmqKvEvents(endpoint=f"tcp://*:{self.port}")]

    async def supported_controls(self):
        return ["publish"]

    async def engine_control(self, name, body):
        socket = zmq.Context.instance().socket(zmq.XPUB)
        socket.bind(f"tcp://127.0.0.1:{self.port}")
        await asyncio.to_thread(socket.recv)  # the worker subscribes
        event = ["BlockStored", body["hashes"], None, list(range(16)), 16, None, "GPU"]
        batch = msgpack.packb([time.time(), [event], 0])
        socket.send_multipart([b"", bytes(8), batch])
        socket.close()
        return {"status": "ok"}
