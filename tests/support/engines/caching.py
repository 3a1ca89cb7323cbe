"""Engines that tell the router what is in their cache: by a publisher, or on a socket as vLLM does.

Nothing is cached: a control says what to announce, and another how many requests came to which
rank. Each rank publishes from a thread of its own.
"""

import asyncio
import hashlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import msgpack
import zmq
from plain import Plain

from dynamo_backend_common import EngineConfig, PushKvEvents, ZmqKvEvents

BLOCK_SIZE = 16


def blocks(token_ids):
    """(hash, tokens) of each block: the hash is a digest of the block and what is before it."""
    made = []
    digest = b""
    for start in range(0, len(token_ids), BLOCK_SIZE):
        tokens = token_ids[start : start + BLOCK_SIZE]
        digest = hashlib.sha256(digest + repr(tokens).encode()).digest()
        made.append((digest, tokens))
    return made


class Pushing(Plain):
    """Pushes its events to the publishers that it is handed.

    Its arguments: how many ranks it has, and the first of them.
    """

    def __init__(self, ranks=1, first=0):
        self.ranks = range(first, first + ranks)
        self.requests = Counter()
        self.threads = {rank: ThreadPoolExecutor(1) for rank in self.ranks}
        self.publishers = {}

    @classmethod
    def from_args(cls, argv):
        return cls(*map(int, argv))

    async def start(self, worker_id):
        return EngineConfig(
            model="caching",
            context_length=2048,
            kv_cache_block_size=BLOCK_SIZE,
            total_kv_blocks=10_000,
            data_parallel_size=len(self.ranks),
            data_parallel_start_rank=self.ranks.start,
        )

    async def generate(self, request, context):
        self.requests[request["routing"]["dp_rank"]] += 1
        yield {"token_ids": request["token_ids"][:1], "finish_reason": "stop"}

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.keep, dp_rank=rank) for rank in self.ranks]

    def keep(self, publisher):
        self.publishers[publisher.dp_rank] = publisher

    def stored(self, rank, token_ids):
        self.publishers[rank].publish_stored(blocks(token_ids))

    def removed(self, rank, token_ids):
        self.publishers[rank].publish_removed(digest for digest, _ in blocks(token_ids))

    def cleared(self, rank, token_ids):
        self.publishers[rank].publish_cleared()

    def removed_among_many(self, rank, token_ids):
        """More at once than one message takes: others are stored, and removed with these."""
        others = range(50_000)
        publisher = self.publishers[rank]
        publisher.publish_stored(others, bytes(BLOCK_SIZE * len(others)))
        digests = [digest for digest, _ in blocks(token_ids)]
        publisher.publish_removed([*others, *range(100_000, 300_000), *digests])

    async def supported_controls(self):
        return ["stored", "removed", "removed_among_many", "cleared", "requests"]

    async def engine_control(self, name, body):
        if name == "requests":
            requests, self.requests = self.requests, Counter()
            return {"requests": list(requests.items())}
        rank = body["dp_rank"]
        publish = getattr(self, name)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.threads[rank], publish, rank, body["token_ids"])
        return {"status": "ok"}


class OnSocket(Pushing):
    """Publishes on a socket of each rank, in the frames and the msgpack of vLLM."""

    def __init__(self, ranks=1, first=0):
        super().__init__(ranks, first)
        self.numbers = count()
        context = zmq.Context()
        # An XPUB sees who subscribes: nothing is published before the worker does.
        self.sockets = {rank: context.socket(zmq.XPUB) for rank in self.ranks}
        for socket in self.sockets.values():
            socket.bind("tcp://127.0.0.1:*")
        self.subscribed = set()

    async def kv_event_sources(self):
        return [
            ZmqKvEvents(
                endpoint=socket.getsockopt_string(zmq.LAST_ENDPOINT),
                topic="kv-events",
                dp_rank=rank,
            )
            for rank, socket in self.sockets.items()
        ]

    def stored(self, rank, token_ids):
        hashes = [vllm_hash(digest) for digest, _ in blocks(token_ids)]
        self.publish(rank, ["BlockStored", hashes, None, token_ids, BLOCK_SIZE, None, "GPU"])

    def removed(self, rank, token_ids):
        hashes = [vllm_hash(digest) for digest, _ in blocks(token_ids)]
        self.publish(rank, ["BlockRemoved", hashes, "GPU"])

    def cleared(self, rank, token_ids):
        self.publish(rank, ["AllBlocksCleared"])

    def publish(self, rank, *events):
        socket = self.sockets[rank]
        if rank not in self.subscribed:
            assert socket.recv() == b"\x01kv-events"
            self.subscribed.add(rank)
            # What nobody can read must not end the subscription.
            for frames in ([b"kv-events"], [b"kv-events", bytes(8), b"no msgpack"]):
                socket.send_multipart(frames)
        batch = [time.time(), list(events), rank]
        number = next(self.numbers).to_bytes(8, "big")
        socket.send_multipart([b"kv-events", number, msgpack.packb(batch)])


def vllm_hash(digest):
    """A digest as vLLM shortens it to 64 bits."""
    return int.from_bytes(digest, "big") & (1 << 64) - 1
