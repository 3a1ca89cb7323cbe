"""Calls a publisher of KV events in every way in which an engine may, and tells what came of it."""

import array
import hashlib
import json

import numpy
from latches import reach
from lifecycles import Recorded

from dynamo_backend_common import EngineConfig, InvalidArgument, PushKvEvents

BLOCK = list(range(8))
DIGEST = hashlib.sha256(b"block").digest()


def broken():
    yield 1, BLOCK
    raise ZeroDivisionError("in the engine's own generator")


def image(mm_hash, *offsets):
    """A block's part of one image."""
    return {"mm_objects": [{"mm_hash": mm_hash, "offsets": offsets}]}


ACCEPTED = {
    "pairs": lambda publisher: publisher.publish_stored([(1, BLOCK), (2, BLOCK)]),
    "lists": lambda publisher: publisher.publish_stored([[1, BLOCK]]),
    "generator": lambda publisher: publisher.publish_stored((block, BLOCK) for block in (1, 2)),
    "zip": lambda publisher: publisher.publish_stored(zip([1, 2], [BLOCK, BLOCK], strict=True)),
    "nothing": lambda publisher: publisher.publish_stored([]),
    "flat": lambda publisher: publisher.publish_stored([1, 2], BLOCK * 2),
    "flat nothing": lambda publisher: publisher.publish_stored([], []),
    "signed": lambda publisher: publisher.publish_stored([(-(2**63), BLOCK)], parent_hash=-1),
    "unsigned": lambda publisher: publisher.publish_stored([(2**64 - 1, BLOCK)], parent_hash=0),
    "digest": lambda publisher: publisher.publish_stored(
        [(DIGEST, BLOCK)], parent_hash=b"8 bytes."
    ),
    "numpy hashes": lambda publisher: publisher.publish_stored(
        numpy.array([-1, 2]), numpy.arange(16)
    ),
    "numpy unsigned": lambda publisher: publisher.publish_stored(
        numpy.array([2**64 - 1], dtype=numpy.uint64), numpy.arange(8, dtype=numpy.uint64)
    ),
    "numpy rows": lambda publisher: publisher.publish_stored(
        zip([1, 2], numpy.arange(16).reshape(2, 8), strict=True)
    ),
    "numpy matrix": lambda publisher: publisher.publish_stored(
        [1, 2], numpy.arange(16, dtype=numpy.int32).reshape(2, 8)
    ),
    "numpy small": lambda publisher: publisher.publish_stored(
        [1], numpy.arange(8, dtype=numpy.uint8)
    ),
    "numpy strides": lambda publisher: publisher.publish_stored([1], numpy.arange(16)[::2]),
    "array": lambda publisher: publisher.publish_stored([1], array.array("I", BLOCK)),
    "tuple": lambda publisher: publisher.publish_stored([(1, tuple(BLOCK))]),
    "largest token": lambda publisher: publisher.publish_stored([(1, [2**32 - 1] * 8)]),
    "removed": lambda publisher: publisher.publish_removed([1, -1, 2**64 - 1, DIGEST]),
    "removed generator": lambda publisher: publisher.publish_removed(block for block in (1, 2)),
    "removed nothing": lambda publisher: publisher.publish_removed([]),
    "cleared": lambda publisher: publisher.publish_cleared(),
    "lora": lambda publisher: publisher.publish_stored([(1, BLOCK)], lora_name="adapter"),
    "salt": lambda publisher: publisher.publish_stored([1], BLOCK, cache_salt="tenant"),
    "neither": lambda publisher: publisher.publish_stored(
        [(1, BLOCK)], lora_name="", cache_salt=None, block_mm_infos=None, is_eagle=None
    ),
    "image": lambda publisher: publisher.publish_stored(
        [(1, BLOCK), (2, BLOCK)], block_mm_infos=[None, image(7, (0, 8))]
    ),
    "images by name": lambda publisher: publisher.publish_stored(
        [(1, BLOCK)],
        block_mm_infos=[{"mm_objects": [{"mm_hash": "a" * 64}, {"mm_hash": -1, "offsets": ()}]}],
    ),
    "eagle": lambda publisher: publisher.publish_stored(
        [(1, [*BLOCK, 9]), (2, [9] * 9)], is_eagle=True
    ),
    "eagle flat": lambda publisher: publisher.publish_stored(
        [1, 2], [*BLOCK * 2, 9], is_eagle=True
    ),
    "eagle nothing": lambda publisher: publisher.publish_stored([], [], is_eagle=True),
    "batch": lambda publisher: publisher.publish_batch(
        [
            {"type": "stored", "blocks": [(1, BLOCK)], "lora_name": "adapter", "parent_hash": None},
            {
                "type": "stored",
                "blocks": numpy.array([2, 3]),
                "token_ids": numpy.arange(16),
                "parent_hash": 1,
                "cache_salt": "tenant",
                "block_mm_infos": [None, image(1, (2, 3))],
                "is_eagle": False,
            },
            {"type": "removed", "block_hashes": [1, DIGEST]},
            {"type": "cleared"},
        ]
    ),
    "batch of a generator": lambda publisher: publisher.publish_batch(
        {"type": "removed", "block_hashes": [block]} for block in (1, 2)
    ),
    "batch of nothing": lambda publisher: publisher.publish_batch([]),
}
REFUSED = {
    "short block": (
        lambda publisher: publisher.publish_stored([(1, BLOCK), (2, BLOCK[1:])]),
        ["block 1 of 2", "7 tokens", "kv_cache_block_size is 8"],
    ),
    "long block": (
        lambda publisher: publisher.publish_stored([(1, BLOCK * 2)]),
        ["block 0 of 1", "16 tokens", "kv_cache_block_size is 8"],
    ),
    "empty block": (lambda publisher: publisher.publish_stored([(1, [])]), ["0 tokens"]),
    "short flat": (
        lambda publisher: publisher.publish_stored([1, 2], BLOCK),
        ["token_ids has 8 tokens", "2 blocks of 8 tokens have 16"],
    ),
    "negative token": (
        lambda publisher: publisher.publish_stored([(1, BLOCK), (2, [0] * 7 + [-1])]),
        ["block 1", "token 7 is -1", "4294967295"],
    ),
    "large token": (
        lambda publisher: publisher.publish_stored([(1, [2**32, *BLOCK[1:]])]),
        ["block 0", "token 0 is 4294967296", "4294967295"],
    ),
    "negative in an array": (
        lambda publisher: publisher.publish_stored([1], numpy.array([0] * 7 + [-1])),
        ["token_ids", "token 7", "-1"],
    ),
    "token as float": (
        lambda publisher: publisher.publish_stored([(1, [0.5] * 8)]),
        ["token 0 is 0.5 (of type float)"],
    ),
    "token as bool": (lambda publisher: publisher.publish_stored([(1, [True] * 8)]), ["True"]),
    "tokens as text": (
        lambda publisher: publisher.publish_stored([(1, "8 tokens")]),
        ["block 0", "token 0 is '8'"],
    ),
    "tokens as None": (
        lambda publisher: publisher.publish_stored([(1, None)]),
        ["block 0", "None", "no sequence"],
    ),
    "hash too large": (
        lambda publisher: publisher.publish_stored([(1, BLOCK), (2**64, BLOCK)]),
        ["block 1", "the hash is 18446744073709551616", "64 bits"],
    ),
    "hash too small": (
        lambda publisher: publisher.publish_removed([1, -(2**63) - 1]),
        ["block_hashes[1] is -9223372036854775809", "64 bits"],
    ),
    "hash as text": (
        lambda publisher: publisher.publish_removed(["0a"]),
        ["block_hashes[0] is '0a' (of type str)"],
    ),
    "hash as bool": (lambda publisher: publisher.publish_removed([True]), ["True"]),
    "short digest": (lambda publisher: publisher.publish_removed([b"1234567"]), ["bytes, 8"]),
    "parent as text": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], parent_hash="1"),
        ["parent_hash is '1'"],
    ),
    "hashes alone": (
        lambda publisher: publisher.publish_stored([1, 2]),
        ["block 0", "is 1 (of type int)", "(hash, tokens)", "token_ids"],
    ),
    "one hash": (lambda publisher: publisher.publish_removed(1), ["1 (of type int)", "sequence"]),
    "hash twice": (
        lambda publisher: publisher.publish_stored([(1, BLOCK), (2, BLOCK), (1, BLOCK)]),
        ["block 2 of 3", "the hash of block 0"],
    ),
    "lora as bytes": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], lora_name=b"adapter"),
        ["publish_stored: lora_name is b'adapter' (of type bytes)", "a str"],
    ),
    "salt as int": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], cache_salt=7),
        ["publish_stored: cache_salt is 7 (of type int)", "a str"],
    ),
    "half a character": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], cache_salt="\ud800"),
        ["cache_salt", "a str"],
    ),
    "eagle as int": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], is_eagle=1),
        ["publish_stored: is_eagle is 1 (of type int)", "True, False"],
    ),
    "eagle too short": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], is_eagle=True),
        ["block 0 of 1", "8 tokens", "Eagle"],
    ),
    "eagle flat too short": (
        lambda publisher: publisher.publish_stored([1, 2], BLOCK * 2, is_eagle=True),
        ["token_ids has 16 tokens", "with the token behind them have 17"],
    ),
    "eagle apart": (
        lambda publisher: publisher.publish_stored([(1, [*BLOCK, 9]), (2, [8] * 9)], is_eagle=True),
        ["block 0 of 2", "is_eagle"],
    ),
    "too few images": (
        lambda publisher: publisher.publish_stored([(1, BLOCK), (2, BLOCK)], block_mm_infos=[None]),
        ["block_mm_infos has 1 entries", "2 blocks"],
    ),
    "images as None": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=7),
        ["publish_stored: block_mm_infos: 7 (of type int) is no sequence"],
    ),
    "image as int": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[7]),
        ["block_mm_infos[0] is 7 (of type int)", "a dict with 'mm_objects'"],
    ),
    "image without a hash": (
        lambda publisher: publisher.publish_stored(
            [(1, BLOCK)], block_mm_infos=[{"mm_objects": [{"offsets": []}]}]
        ),
        ["block_mm_infos[0]['mm_objects'][0] is", "a dict with 'mm_hash'"],
    ),
    "image of a large hash": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[image(2**64)]),
        ["block_mm_infos[0]['mm_objects'][0]['mm_hash'] is 18446744073709551616", "64 bits"],
    ),
    "image without a name": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[image("")]),
        ["['mm_hash'] is ''", "not empty"],
    ),
    "image beyond the block": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[image(1, (4, 9))]),
        ["block_mm_infos[0] has the offsets (4, 9)", "0 to 8"],
    ),
    "image backwards": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[image(1, (4, 2))]),
        ["block_mm_infos[0] has the offsets (4, 2)"],
    ),
    "image at no pair": (
        lambda publisher: publisher.publish_stored([(1, BLOCK)], block_mm_infos=[image(1, (4,))]),
        ["['offsets'][0] is (4,)", "(start, end)"],
    ),
    "no batch": (lambda publisher: publisher.publish_batch(7), ["publish_batch: events: 7"]),
    "event as a pair": (
        lambda publisher: publisher.publish_batch([{"type": "cleared"}, (1, BLOCK)]),
        ["publish_batch: event 1, counted from 0", "a dict"],
    ),
    "event of no type": (
        lambda publisher: publisher.publish_batch([{"blocks": [(1, BLOCK)]}]),
        ["event 0", "no type", "'stored', 'removed', 'cleared'"],
    ),
    "event of another type": (
        lambda publisher: publisher.publish_batch([{"type": "moved"}]),
        ["event 0", "type is 'moved'", "'stored', 'removed', 'cleared'"],
    ),
    "event with a typo": (
        lambda publisher: publisher.publish_batch(
            [{"type": "stored", "blocks": [(1, BLOCK)], "cache_slat": "tenant"}]
        ),
        ["event 0", "'cache_slat'", "is unknown", "cache_salt"],
    ),
    "event without blocks": (
        lambda publisher: publisher.publish_batch([{"type": "stored"}]),
        ["event 0", "no blocks"],
    ),
    "event without hashes": (
        lambda publisher: publisher.publish_batch([{"type": "removed", "block_hashes": None}]),
        ["event 0", "no block_hashes"],
    ),
    "event of a wrong salt": (
        lambda publisher: publisher.publish_batch(
            [{"type": "cleared"}, {"type": "stored", "blocks": [(1, BLOCK)], "cache_salt": 7}]
        ),
        ["publish_batch: event 1, counted from 0: cache_salt is 7"],
    ),
    "event of a wrong block": (
        lambda publisher: publisher.publish_batch(
            [{"type": "cleared"}, {"type": "stored", "blocks": [(1, BLOCK), (2, BLOCK[1:])]}]
        ),
        ["publish_batch: event 1 of 2, counted from 0: block 1 of 2", "7 tokens"],
    ),
    "hash of the parent": (
        lambda publisher: publisher.publish_stored([(-1, BLOCK)], parent_hash=2**64 - 1),
        ["block 0 of 1", "the hash of its parent"],
    ),
}


def wrong(publisher):
    """What is not as it should be."""
    for name, call in ACCEPTED.items():
        try:
            call(publisher)
        except Exception as raised:
            yield f"{name}: {raised!r}"
    for name, (call, parts) in REFUSED.items():
        try:
            call(publisher)
        except InvalidArgument as raised:
            missing = [
                part for part in [*parts, "nothing was published"] if part not in str(raised)
            ]
            if missing:
                yield f"{name}: {raised} has no {missing}"
        except Exception as raised:
            yield f"{name}: {raised!r}"
        else:
            yield f"{name}: accepted"
    try:
        publisher.publish_stored(broken())
    except ZeroDivisionError:
        pass
    else:
        yield "an engine's own exception is lost"


class Calls(Recorded):
    async def start(self, worker_id):
        await super().start(worker_id)
        return EngineConfig(model="calls", kv_cache_block_size=8)

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.use)]

    def use(self, publisher):
        self.publisher = publisher
        reach("wrong", json.dumps(list(wrong(publisher))))
        reach("publisher", repr(publisher))
