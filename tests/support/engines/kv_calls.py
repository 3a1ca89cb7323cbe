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
