"""An engine before `OutputSocket`: plays vLLM's engine core and its client, each with a socket.

The core echoes prompts, a token of each request in every step, in messages with the fields of a
release of vLLM; what they look like when vLLM writes them, the tests of ``rust/vllm`` know.
"""

import asyncio
import json
import queue
import tempfile
import threading
import time
from pathlib import Path

import msgpack
import numpy
import zmq
import zmq.asyncio
from latches import case_of, reach
from plain import Plain

from dynamo_backend_common import MetricsBindings, Steps
from dynamo_backend_common._core import OutputSocket
from dynamo_backend_common.engines.vllm.by_socket import let_go

SAMPLES = Path(__file__).parents[3] / "rust" / "vllm" / "samples"
LAYOUT = {
    words[1]: words[2:]
    for line in (SAMPLES / "0.32.0.txt").read_text().splitlines()
    if (words := line.split())[0] == "fields"
}
DEAD = b"ENGINE_CORE_DEAD"
UNREADABLE = b"\xc1"
STATISTICS = {
    "kv_cache_usage": 0.5,
    "prefix_cache_stats": {"reset": False, "requests": 1, "queries": 4, "hits": 1},
}


def struct(name, values):
    """A struct as vLLM writes it: an array of all its fields."""
    return [values.get(field) for field in LAYOUT[name]]


def array(values, dtype, frames):
    """An array as vLLM writes it: a large one is a frame of its own."""
    made = numpy.array(values, dtype=dtype)
    data = msgpack.ExtType(3, made.tobytes())
    if made.nbytes >= 256:
        data = len(frames)
        frames.append(made.tobytes())
    return [dtype, list(made.shape), data]


def logprobs(token, columns, frames):
    """The token itself is the second best of the likeliest ones."""
    likeliest = [token - 1, token, *range(token + 1, token + columns - 1)]
    values = [-1.5, -0.5, -1.5, *(-2.5 - n for n in range(columns - 3)), float("-inf")]
    return [
        array([[token, *likeliest]], "<i4", frames),
        array([values], "<f4", frames),
        array([2], "<i4", frames),
        None,
    ]


class Core(threading.Thread):
    """Steps while it has requests; what it is told comes by a queue."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = zmq.Context.instance().socket(zmq.PUSH)
        self.socket.connect(address)
        self.told = queue.SimpleQueue()
        self.running = {}

    def run(self):
        while True:
            while not self.told.empty() or not self.running:
                what, *more = self.told.get()
                if what == "end":
                    self.socket.close(linger=0)
                    return
                if what == "send":
                    self.socket.send_multipart(*more)
                elif what == "abort":
                    self.running.pop(*more, None)
                else:
                    self.running[what] = more
            self.step()

    def step(self):
        frames = [b""]
        outputs = [self.output(request_id, frames) for request_id in list(self.running)]
        self.send(frames, outputs=outputs, scheduler_stats=STATISTICS)
        time.sleep(0.002)

    def output(self, request_id, frames):
        case, tokens, done = self.running[request_id]
        more = {"num_nans_in_logits": 0}
        if not done:
            more["prefill_stats"] = {"num_prompt_tokens": len(tokens), "num_cached_tokens": 2}
        if done < len(tokens) or case == "endless":
            token = tokens[done % len(tokens)]
            more["new_token_ids"] = "none" if case == "unreadable" and done else [token]
            if case.startswith("logprobs"):
                columns = int(case.removeprefix("logprobs"))
                more["new_logprobs"] = logprobs(token, columns, frames)
            self.running[request_id][2] += 1
        else:
            more["new_token_ids"] = []
            more["finish_reason"] = 3 if case.endswith("error") else 0
            more["stop_reason"] = "END"
            del self.running[request_id]
        return struct("EngineCoreOutput", {"request_id": request_id, **more})

    def send(self, frames, **values):
        values = {"engine_index": 0, "outputs": [], "timestamp": time.monotonic(), **values}
        frames[0] = msgpack.packb(struct("EngineCoreOutputs", values))
        self.socket.send_multipart(frames)


class Cored(Plain):
    def __init__(self):
        self.steps = Steps()
        self.by_python = {}
        self.left = {"forwarded": 0, "given_up": [], "tokens": 0, "notable": 0, "records": 0}

    async def start(self, worker_id):
        self.folder = tempfile.TemporaryDirectory()
        address, aside = (f"ipc://{self.folder.name}/{name}" for name in ("core", "aside"))
        self.client = zmq.asyncio.Context.instance().socket(zmq.PULL)
        self.client.bind(address)
        self.core = Core(address)
        self.core.start()
        self.core.told.put(("send", [b"before"]))
        assert await self.client.recv_multipart() == [b"before"]
        self.client.unbind(address)
        self.client.bind(aside)
        await let_go(address)
        self.socket = OutputSocket(
            self.steps, LAYOUT, address=address, forward_to=aside, statistics=True
        )
        self.tasks = [asyncio.create_task(self.take_on()), asyncio.create_task(self.read())]
        return await super().start(worker_id)

    async def setup_metrics(self, ctx):
        def publish(publisher):
            self.socket.publish_snapshots(publisher, {0: 100})

        return MetricsBindings(dp_ranks=[0], on_publisher_ready=publish)

    async def generate(self, request, context):
        case = case_of(request)
        stream = self.steps.open(context)
        if case == "dead":
            self.core.told.put(("send", [DEAD]))
            return stream
        request_id = f"{context.id}-0123"
        tokens = list(request["token_ids"])
        if case == "by-python":
            self.by_python[request_id] = stream.id
        else:
            asked = int(case.removeprefix("logprobs")) if case.startswith("logprobs") else None
            self.socket.expect(
                request_id,
                stream,
                prompt_tokens=len(tokens),
                logprobs=asked,
                is_guided=case.startswith("guided"),
            )
        if case == "garbage":
            self.core.told.put(("send", [UNREADABLE]))
        self.core.told.put((request_id, case, tokens, 0))
        return stream

    async def take_on(self):
        while True:
            await asyncio.sleep(0.05)
            self.take()

    def take(self):
        taken = self.socket.take()
        for request_id in taken.given_up:
            self.left["given_up"].append(request_id)
            self.core.told.put(("abort", request_id))
            reach("given-up")
        for record in taken.steps:
            assert msgpack.unpackb(record.scheduler_stats) == STATISTICS
            assert len(record.inter_token_latencies) == record.generation_tokens
            self.left["records"] += 1
            self.left["tokens"] += record.generation_tokens
            self.left["notable"] += len(record.notable)

    async def read(self):
        while True:
            [frame, *_] = await self.client.recv_multipart()
            if frame == DEAD:
                self.steps.fail(RuntimeError("the core is dead"))
                continue
            self.left["forwarded"] += 1
            if frame == UNREADABLE:
                continue
            message = dict(zip(LAYOUT["EngineCoreOutputs"], msgpack.unpackb(frame), strict=True))
            assert message["scheduler_stats"] is None
            for output in message["outputs"]:
                output = dict(zip(LAYOUT["EngineCoreOutput"], output, strict=True))
                stream = self.by_python[output["request_id"]]
                end = [] if output["finish_reason"] is None else ["stop"]
                self.steps.push([(stream, output["new_token_ids"], *end)])

    async def cleanup(self):
        self.take()
        left = self.left | {"open": len(self.steps), "expected": len(self.socket)}
        reach("left", json.dumps(left))
        for task in self.tasks:
            task.cancel()
        self.socket.close()
        self.socket.close()
        self.core.told.put(("end",))
        self.core.join()
        self.client.close(linger=0)
        self.folder.cleanup()
