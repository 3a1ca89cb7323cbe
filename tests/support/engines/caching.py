"""Engines that tell the router what is in their cache: by a publisher, or on a socket as vLLM does.

Nothing is cached: a control says what to announce, and another how many requests came to which
rank. Each rank publishes from a thread of its own.
"""

import asyncio
import hashlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count

import msgpack
import zmq
from latches import case_of, passed, reach
from plain import Plain

from dynamo_backend_common import EngineConfig, PushKvEvents, ZmqKvEvents

BLOCK_SIZE = 16
IMAGE = 999
"""The token that stands for parts of an image."""


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

    def stored(self, rank, token_ids, **more):
        self.publishers[rank].publish_stored(blocks(token_ids), **more)

    def replaced(self, rank, token_ids, **more):
        """In one message: what is stored of it is removed, and stored anew with ``more``."""
        digests = [digest for digest, _ in blocks(token_ids)]
        events = [
            {"type": "removed", "block_hashes": digests},
            {"type": "stored", "blocks": blocks(token_ids), **more},
        ]
        self.publishers[rank].publish_batch(events)

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
        return ["stored", "replaced", "removed", "removed_among_many", "cleared", "requests"]

    async def engine_control(self, name, body):
        if name == "requests":
            requests, self.requests = self.requests, Counter()
            return {"requests": list(requests.items())}
        rank = body["dp_rank"]
        publish = getattr(self, name)
        loop = asyncio.get_running_loop()
        publish = partial(publish, rank, body["token_ids"], **body.get("more", {}))
        await loop.run_in_executor(self.threads[rank], publish)
        return {"status": "ok"}


class Tuned(Pushing):
    """Its control ``load_lora`` publishes the card of an adapter."""

    async def on_adapter_cards(self, cards):
        self.cards = cards

    async def supported_controls(self):
        return [*await super().supported_controls(), "load_lora"]

    async def engine_control(self, name, body):
        if name != "load_lora":
            return await super().engine_control(name, body)
        await self.cards.publish(body["name"])
        return {"status": "ok"}


class Announcing(Pushing):
    """Tells of its first token where the test lets it, and yields that later."""

    async def generate(self, request, context):
        if case_of(request) == "held":
            reach("asked")
            await passed("announce")
            context.notify_first_token()
            await passed("yield")
        async for chunk in super().generate(request, context):
            yield chunk


class Seeing(Pushing):
    """Takes images, whose names in its requests its control ``seen`` tells."""

    async def start(self, worker_id):
        self.images = []
        config = await super().start(worker_id)
        # What a frontend asks of an engine to which it hands images as vLLM's.
        return replace(config, runtime_data={"vllm_inference_v1_generate": True})

    async def kv_event_sources(self):
        return [
            replace(source, image_token_id=IMAGE) for source in await super().kv_event_sources()
        ]

    async def generate(self, request, context):
        self.images += (request.get("extra_args") or {}).get("dynamo_mm_routing_hashes", [])
        async for chunk in super().generate(request, context):
            yield chunk

    def stored(self, rank, token_ids, image=None):
        infos = []
        for start in range(0, len(token_ids), BLOCK_SIZE):
            places = [at for at in range(BLOCK_SIZE) if token_ids[start + at] == IMAGE]
            part = {"mm_hash": image, "offsets": [(at, at + 1) for at in places]}
            infos.append({"mm_objects": [part]} if places else None)
        super().stored(rank, token_ids, block_mm_infos=infos)

    async def supported_controls(self):
        return [*await super().supported_controls(), "seen"]

    async def engine_control(self, name, body):
        if name != "seen":
            return await super().engine_control(name, body)
        images, self.images = self.images, []
        return {"images": images}


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

    def stored(self, rank, token_ids, block_mm_infos=()):
        hashes = [vllm_hash(digest) for digest, _ in blocks(token_ids)]
        event = ["BlockStored", hashes, None, token_ids, BLOCK_SIZE, None, "GPU"]
        if block_mm_infos:
            # No adapter, and the names of each block's images.
            parts = [(info or {"mm_objects": ()})["mm_objects"] for info in block_mm_infos]
            event += [None, [[part["mm_hash"] for part in of_block] or None for of_block in parts]]
        self.publish(rank, event)

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


class SeeingOnSocket(Seeing, OnSocket):
    """The same, on a socket."""


def vllm_hash(digest):
    """A digest as vLLM shortens it to 64 bits."""
    return int.from_bytes(digest, "big") & (1 << 64) - 1
