"""Yields numbers and arrays of numpy wherever numbers go, and finish reasons of other kinds."""

import enum
from array import array
from collections import deque
from decimal import Decimal

import numpy
from latches import case_of
from plain import Plain

from dynamo_backend_common import EngineConfig, MetricsBindings, PushKvEvents


class Reason(str, enum.Enum):  # noqa: UP042 (as engines have them)
    STOP = "stop"


class Ending(enum.Enum):
    LENGTH = "length"


class Numbered(enum.IntEnum):
    """As vLLM's own."""

    ABORT = 2

    def __str__(self):
        return "abort"


class Indexed:
    """A number of yet another library."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


TOKENS = {
    "int64": numpy.array,
    "int32": lambda tokens: numpy.array(tokens, dtype=numpy.int32),
    "uint32": lambda tokens: numpy.array(tokens, dtype=numpy.uint32),
    "uint64": lambda tokens: numpy.array(tokens, dtype=numpy.uint64),
    "uint16": lambda tokens: numpy.array(tokens, dtype=numpy.uint16),
    "other byte order": lambda tokens: numpy.array(tokens, dtype=">i8"),
    "strides": lambda tokens: numpy.repeat(numpy.array(tokens), 2)[::2],
    "list of scalars": lambda tokens: list(numpy.array(tokens)),
    "tuple of scalars": lambda tokens: tuple(numpy.array(tokens, dtype=numpy.uint16)),
    "array": lambda tokens: array("q", tokens),
    "memoryview": lambda tokens: memoryview(array("i", tokens)),
    "deque": deque,
    "indexed": lambda tokens: [Indexed(token) for token in tokens],
    "empty": lambda tokens: numpy.array(tokens[:0]),
}
ENDS = {
    "sglang stop": {"type": "stop", "matched": 2},
    "sglang text": {"type": "stop", "matched": "omega"},
    "sglang length": {"type": "length", "length": 16},
    "sglang abort": {"type": "abort", "message": "Aborted"},
    "sglang error": {"type": "abort", "message": "no room for it", "status_code": 500},
    "error with a message": {"type": "error", "message": "no room for it"},
    "dynamo error": {"error": "no room for it"},
    "vllm abort": "abort",
    "vllm enum": Numbered.ABORT,
    "enum of str": Reason.STOP,
    "enum": Ending.LENGTH,
}


class Numeric(Plain):
    """What is in a chunk."""

    async def generate(self, request, context):
        tokens, case = list(request["token_ids"]), case_of(request)
        if case in TOKENS:
            yield {"token_ids": TOKENS[case](tokens)}
        if case == "probabilities":
            yield self.with_probabilities(tokens)
        if case == "newer":
            for token in tokens:
                yield {"token_ids": [token], "of_tomorrow": object(), "of_next_week": 1}
        end = {"token_ids": [], "index": numpy.int64(0), "finish_reason": ENDS.get(case, "stop")}
        if case == "newer":
            usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6, "of_time": 1}
            end |= {"completion_usage": usage}
        else:
            end |= {"completion_usage": self.usage(tokens), "engine_data": numpy.arange(3)}
        yield end

    def with_probabilities(self, tokens):
        top = {"rank": numpy.int32(1), "token": None, "logprob": numpy.float32(-0.5), "bytes": None}
        return {
            "token_ids": numpy.array(tokens),
            "log_probs": numpy.full(len(tokens), -0.5, dtype=numpy.float32),
            "cum_log_probs": numpy.float32(-0.5 * len(tokens)),
            "top_logprobs": [[top | {"token_id": token}] for token in numpy.array(tokens)],
        }

    def usage(self, tokens):
        length = numpy.int64(len(tokens))
        return {
            "prompt_tokens": length,
            "completion_tokens": length,
            "total_tokens": 2 * length,
            "prompt_tokens_details": {"cached_tokens": numpy.uint32(1)},
        }


class Everywhere(Numeric):
    """What an engine says of itself, publishes and answers to controls."""

    async def start(self, worker_id):
        return EngineConfig(
            model=self.model,
            context_length=numpy.int64(2048),
            kv_cache_block_size=numpy.uint8(16),
            total_kv_blocks=numpy.int32(100),
            data_parallel_start_rank=numpy.int16(1),
            runtime_data={
                "array": numpy.arange(4).reshape(2, 2),
                "float": numpy.float32(0.5),
                "flag": numpy.bool_(True),
                "decimal": Decimal("0.25"),
                "numbers": [numpy.int64(7), Indexed(8)],
            },
        )

    async def setup_metrics(self, context):
        return MetricsBindings(dp_ranks=numpy.array([1]), on_publisher_ready=self.push)

    def push(self, publisher):
        publisher.push(
            numpy.int64(1),
            total_blocks=numpy.int64(100),
            used_blocks=numpy.uint16(40),
            kv_cache_hit_rate=numpy.float32(0.25),
        )

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=lambda publisher: None, dp_rank=numpy.int64(1))]

    async def supported_controls(self):
        return ["numbers"]

    async def engine_control(self, name, body):
        return {"numbers": numpy.array([1, 2]), "rate": numpy.float64(0.5)}
