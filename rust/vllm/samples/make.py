"""Writes the messages that the tests of this crate read, by vLLM's own structs and encoder.

To be run by a Python with vLLM: ``scripts/vllm-run.sh 0.31.0 rust/vllm/samples/make.py``. It writes
beside itself ``RELEASE.txt``: a line ``fields STRUCT NAME...`` for each struct, and one ``message
NAME FRAME...`` for each message, its frames in hexadecimal.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import vllm
from vllm.v1.engine import (
    EngineCoreEvent,
    EngineCoreEventType,
    EngineCoreOutput,
    EngineCoreOutputs,
    FinishReason,
    UtilityOutput,
)
from vllm.v1.metrics.stats import PrefillStats, PrefixCacheStats, SchedulerStats
from vllm.v1.outputs import LogprobsLists
from vllm.v1.serial_utils import MsgpackEncoder, UtilityResult

if TYPE_CHECKING:
    from collections.abc import Iterator


def fields() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The structs that are read, and their fields in order."""
    for struct in (EngineCoreOutputs, EngineCoreOutput):
        yield struct.__name__, struct.__struct_fields__
    yield LogprobsLists.__name__, LogprobsLists._fields
    for record in (PrefillStats, SchedulerStats):
        yield record.__name__, tuple(field.name for field in dataclasses.fields(record))


def logprobs(rows: int, candidates: int, integers: str = "<i4") -> LogprobsLists:
    """Of tokens 100, 101, ...: the sampled one of each row is its second best."""
    token_ids = np.array(
        [[101, *range(100, 100 + candidates)] for _ in range(rows)], dtype=integers
    )
    values = np.array(
        [[-1.5, *(-0.5 - place for place in range(candidates))] for _ in range(rows)],
        dtype="<f4",
    )
    values[-1, -1] = -np.inf
    return LogprobsLists(token_ids, values, np.full(rows, 2, dtype=integers))


def statistics() -> SchedulerStats:
    """A quarter of the blocks is in use, and almost all was in the cache."""
    cache = PrefixCacheStats(requests=2, queries=100, hits=96)
    return SchedulerStats(num_running_reqs=3, kv_cache_usage=0.25, prefix_cache_stats=cache)


def messages() -> Iterator[tuple[str, EngineCoreOutputs]]:
    """Each kind of message, by the name that the tests have for it."""
    events = [
        EngineCoreEvent(EngineCoreEventType.QUEUED, 40.0),
        EngineCoreEvent(EngineCoreEventType.SCHEDULED, 40.5),
    ]
    prefill = PrefillStats(num_prompt_tokens=100, num_computed_tokens=4, num_cached_tokens=96)
    first = EngineCoreOutput("first-1", [7], events=events, prefill_stats=prefill)
    usual = EngineCoreOutput("usual-2", [70000])
    several = EngineCoreOutput(
        "several-3", [1, 2, 300], finish_reason=FinishReason.STOP, stop_reason=300
    )
    yield (
        "step",
        EngineCoreOutputs(
            engine_index=2,
            outputs=[first, usual, several],
            scheduler_stats=statistics(),
            timestamp=41.25,
        ),
    )
    yield (
        "many",
        EngineCoreOutputs(
            outputs=[EngineCoreOutput(f"request-{n:02}-0123456789", [1000 + n]) for n in range(64)],
            scheduler_stats=statistics(),
            timestamp=42.0,
        ),
    )
    yield (
        "logprobs",
        EngineCoreOutputs(
            outputs=[
                EngineCoreOutput("a", [101, 101], new_logprobs=logprobs(2, 3)),
                EngineCoreOutput("b", [101], new_logprobs=logprobs(1, 100)),
                EngineCoreOutput("c", [101], new_logprobs=logprobs(1, 0, "<i8")),
            ],
            timestamp=43.0,
        ),
    )
    yield (
        "ends",
        EngineCoreOutputs(
            outputs=[
                EngineCoreOutput(
                    reason.name,
                    [],
                    finish_reason=reason,
                    stop_reason="END" if reason is FinishReason.STOP else None,
                    kv_transfer_params={"remote_port": 5600, "remote_block_ids": [1, 2]}
                    if reason is FinishReason.LENGTH
                    else None,
                )
                for reason in FinishReason
            ],
            timestamp=44.0,
        ),
    )
    yield "statistics", EngineCoreOutputs(scheduler_stats=statistics(), timestamp=45.0)
    yield (
        "utility",
        EngineCoreOutputs(
            utility_output=UtilityOutput(call_id=7, result=UtilityResult({"answer": [1, 2]})),
            timestamp=46.0,
        ),
    )
    yield (
        "finished",
        EngineCoreOutputs(engine_index=1, finished_requests={"first-1"}, timestamp=47.0),
    )
    yield "wave", EngineCoreOutputs(wave_complete=3, timestamp=48.0)


def main() -> None:
    """Writes the file."""
    encoder = MsgpackEncoder()
    lines = [f"fields {name} {' '.join(names)}" for name, names in fields()]
    for name, message in messages():
        frames = [bytes(frame).hex() for frame in encoder.encode(message)]
        lines.append(f"message {name} {' '.join(frames)}")
    release = vllm.__version__.split("+")[0]
    Path(__file__).with_name(f"{release}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
