"""An engine with a step loop in a thread of its own, which pushes the tokens of all requests."""

import asyncio
import json
import queue
import threading
import time
from array import array

import numpy
import steps_rules
from latches import case_of, reach
from plain import Plain

from dynamo_backend_common import InvalidArgument, Steps, Unknown


class Stepped(Plain):
    packed = False

    def __init__(self):
        self.steps = Steps()
        self.arrivals = queue.SimpleQueue()
        self.running = {}
        self.cancelled = []
        self.thread = threading.Thread(target=self.step_loop)

    async def start(self, worker_id):
        self.thread.start()
        return await super().start(worker_id)

    async def generate(self, request, context):
        stream = self.steps.open(context)
        self.arrivals.put((stream.id, case_of(request), list(request["token_ids"])))
        return stream

    async def cleanup(self):
        self.arrivals.put(None)
        self.thread.join()
        reach("left", json.dumps({"open": len(self.steps), "cancelled": self.cancelled}))

    def step_loop(self):
        while True:
            while not self.arrivals.empty() or not self.running:
                arrival = self.arrivals.get()
                if arrival is None:
                    return
                stream, case, tokens = arrival
                self.running[stream] = (case, iter(tokens), len(tokens))
            self.step()

    def step(self):
        step = []
        for stream, (case, tokens, length) in list(self.running.items()):
            token = next(tokens, None)
            if token is None or case in ENDS:
                step.append(ENDS.get(case, last)(stream, length))
                del self.running[stream]
            elif case == "endless":
                step.append((stream, [token]))
                self.running[stream] = (case, iter([token] * 2), length)
            else:
                step.append((stream, token))
        report = self.push(step)
        for stream in report.cancelled:
            self.cancelled.append(stream)
            self.running.pop(stream, None)
            reach("cancelled", str(stream))
        if report.stalled:
            reach("stalled")

    def push(self, step):
        return self.steps.push(step)


def last(stream, length):
    usage = {"prompt_tokens": length, "completion_tokens": length, "total_tokens": 2 * length}
    return stream, [], "stop", usage


ENDS = {
    "raises": lambda stream, _: (stream, Unknown("this one failed")),
    "negative": lambda stream, _: (stream, -1),
    "chunk": lambda stream, _: (stream, {"token_ids": [], "finish_reason": "length"}),
    "typo": lambda stream, _: (stream, {"token_ids": "alpha"}),
    "caught": lambda stream, _: (stream, caught()),
}


def caught():
    try:
        raise LookupError("no such page in the cache")
    except LookupError as error:
        return error


class Numpy(Stepped):
    """Hands over scalars and arrays of numpy."""

    def push(self, step):
        made = []
        for number, (stream, tokens, *end) in enumerate(step):
            if isinstance(tokens, int):
                kinds = [numpy.int64, numpy.int32, lambda token: numpy.array([token])]
                tokens = kinds[number % len(kinds)](tokens)
            elif isinstance(tokens, list):
                tokens = numpy.array(tokens, dtype=numpy.int64)
            made.append((numpy.int64(stream), tokens, *end))
        return self.steps.push(made)


class Careless(Stepped):
    """Hands over what is no entry with each step, and goes on."""

    def push(self, step):
        try:
            return self.steps.push(["nothing", *step, (1, 2, 3, 4, 5)])
        except InvalidArgument as refused:
            reach("refused", str(refused))
            return self.steps.push([])


class Doomed(Stepped):
    """Fails three requests at once, with one error."""

    def step(self):
        if len(self.running) < 3:
            time.sleep(0.01)
            return
        error = caught()
        self.push([(stream, error) for stream in self.running])
        self.running.clear()


class Packed(Stepped):
    """Hands over what is one token by the buffer protocol."""

    array = array

    def push(self, step):
        packed = [(stream, token) for stream, token, *end in step if not end]
        single = [
            (stream, token) for stream, token in packed if isinstance(token, int) and token >= 0
        ]
        streams = self.array("Q", [stream for stream, _ in single])
        tokens = self.array("I", [token for _, token in single])
        report = self.steps.push_packed(streams, tokens)
        rest = [entry for entry in step if entry not in single]
        return self.steps.push(rest) if rest else report


KINDS = {"Q": numpy.int64, "I": numpy.int32}


class PackedNumpy(Packed):
    """Arrays of numpy, with the integers that numpy has by itself."""

    array = staticmethod(lambda kind, numbers: numpy.array(numbers, dtype=KINDS[kind]))


class Conversing(Plain):
    """Puts `Steps` through its rules; only the last request's stream is read meanwhile."""

    def __init__(self):
        self.steps = Steps()
        self.contexts = {}
        self.last = asyncio.Event()
        self.over = asyncio.Event()

    async def generate(self, request, context):
        number = int(case_of(request))
        self.contexts[number] = context
        if len(self.contexts) == steps_rules.REQUESTS:
            self.conversation = asyncio.create_task(self.converse())
        if number == steps_rules.REQUESTS - 1:
            await self.last.wait()
            return self.stream
        await self.over.wait()
        raise Unknown("the conversation is over")

    async def converse(self):
        contexts = [context for _, context in sorted(self.contexts.items())]
        told = await steps_rules.told_by(self, contexts, contexts[-1].stopped)
        reach("told", json.dumps(told))
        self.over.set()

    def open(self, context):
        self.stream = self.steps.open(context)
        if context == self.contexts[steps_rules.REQUESTS - 1]:
            self.last.set()
        return self.stream

    def push(self, step):
        return self.steps.push(step)

    def __len__(self):
        return len(self.steps)


class Flooding(Stepped):
    """Pauses who is stalled, and asks with empty steps until none is; then ends every request."""

    def step(self):
        # Much text in few chunks, for the buffers between it and the client are large.
        chunk = {"token_ids": [], "text": "x" * 100_000}
        self.steps.push([(stream, chunk) for stream in self.running])
        for _ in range(100):
            if not self.steps.push([]).stalled:
                return
            time.sleep(0.002)
        reach("stalled")
        while self.steps.push([]).stalled:
            time.sleep(0.002)
        self.steps.push([(stream, [], "stop") for stream in self.running])
        self.running.clear()
