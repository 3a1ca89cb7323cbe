"""An engine with a step loop: one step makes a token for every request that runs.

    cd examples
    dynamo-backend serve step_loop:Batching --http-port 8000 \
        --model-name HuggingFaceTB/SmolLM2-135M-Instruct -- --max-num-seqs 8

The model repeats the prompt. Put yours into `Batching.forward`; the rest can stay as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import EngineConfig, InvalidArgument, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_backend_common import Request, RequestContext, StepStream

CONTEXT_LENGTH = 4096


@dataclass
class Running:
    """One request in the batch."""

    stream: int
    prompt: list[int]
    limit: int
    made: list[int] = field(default_factory=list)


class Batching:
    """At most ``max_num_seqs`` requests share a step; more wait in a queue."""

    def __init__(self, max_num_seqs: int = 8) -> None:
        """`start` begins the loop."""
        self.max_num_seqs = max_num_seqs
        self.steps = Steps()
        self.arrivals: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.guarded_loop, name="step-loop")
        self.failed: asyncio.Future[None] | None = None

    @classmethod
    def from_args(cls, argv: Sequence[str]) -> Batching:
        """Makes the engine from what follows ``--`` on the command line."""
        parser = argparse.ArgumentParser(prog="dynamo-backend serve step_loop:Batching --")
        parser.add_argument("--max-num-seqs", type=int, default=8, help="requests in a step")
        return cls(**vars(parser.parse_args(argv)))

    async def start(self, worker_id: int) -> EngineConfig:
        """Begins the loop."""
        self.failed = asyncio.get_running_loop().create_future()
        self.thread.start()
        return EngineConfig(
            model="batching", context_length=CONTEXT_LENGTH, max_num_seqs=self.max_num_seqs
        )

    async def generate(self, request: Request, context: RequestContext) -> StepStream:
        """Hands the request to the loop; its tokens come by the stream."""
        prompt = list(request["token_ids"])
        room = CONTEXT_LENGTH - len(prompt)
        if not prompt or room < 1:
            raise InvalidArgument(
                f"the prompt has {len(prompt)} tokens; accepted: 1 to {CONTEXT_LENGTH - 1}"
            )
        limit = request["stop_conditions"].get("max_tokens")
        stream = self.steps.open(context)
        self.arrivals.put(Running(stream.id, prompt, room if limit is None else min(limit, room)))
        return stream

    async def watch(self) -> None:
        """Raises what ended the loop: the worker then leaves, and its requests go elsewhere."""
        assert self.failed is not None
        await self.failed

    async def cleanup(self) -> None:
        """Ends the loop. `start` may not have got as far as beginning it."""
        if self.failed is not None:
            self.failed.cancel()
        if self.thread.is_alive():
            self.arrivals.put(None)
            self.steps.wake()
            await asyncio.to_thread(self.thread.join)

    def guarded_loop(self) -> None:
        """The thread: a loop that fails ends all streams, and tells `watch`."""
        failed = self.failed
        assert failed is not None
        try:
            self.step_loop()
        except Exception as error:
            self.steps.fail(error)
            failed.get_loop().call_soon_threadsafe(failed.set_exception, error)

    def step_loop(self) -> None:
        """Steps while there are requests to make tokens for, and sleeps while there are none."""
        running: dict[int, Running] = {}
        stalled: set[int] = set()
        while True:
            while len(running) < self.max_num_seqs and not self.arrivals.empty():
                arrival = self.arrivals.get()
                if arrival is None:
                    return
                running[arrival.stream] = arrival
            batch = [one for one in running.values() if one.stream not in stalled]
            step: list[Any] = []
            for one, token in zip(batch, self.forward(batch), strict=True):
                one.made.append(token)
                if len(one.made) < one.limit:
                    step.append((one.stream, token))
                else:
                    del running[one.stream]
                    step.append((one.stream, token, "length", usage(one)))
            # Nothing to do, or only for clients that do not read: it sleeps until there is news.
            report = self.steps.push(step) if step else self.steps.wait()
            stalled = set(report.stalled)
            for stream in report.cancelled:
                # The place to free its KV cache.
                running.pop(stream, None)

    def forward(self, batch: Sequence[Running]) -> list[int]:
        """One step of the model: the next token of each request."""
        return [one.prompt[len(one.made) % len(one.prompt)] for one in batch]


def usage(one: Running) -> Any:
    """What the answer used."""
    prompt, made = len(one.prompt), len(one.made)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": made,
        "total_tokens": prompt + made,
    }
